"""What ending a contract early takes of deposits and accounts."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest

from farmgate.contracts import closing, money
from farmgate.contracts.closing import Cause, Closing
from farmgate.contracts.rules import Liability
from farmgate.contracts.values import BUYER, SELLER

D = Decimal
SELLER_ACCOUNT, BUYER_ACCOUNT = 11, 22
Asked = list[tuple[str, int, int, int]]


class Held:
    """As much of a contract as the money of its end needs."""

    seller_held_minor = 438_1875
    buyer_held_minor = 876_3750


@pytest.fixture
def asked() -> Iterator[Asked]:
    """Takes what is asked for: kind, from, to, and how much in 1e-4 of the currency."""
    found: Asked = []

    def ask(_tx: Any, _steps: Any, _contract: Any, kind: str, **about: int) -> None:
        if about["amount_minor"] > 0:
            found.append((kind, about["source"], about["target"], about["amount_minor"]))

    accounts = (SELLER_ACCOUNT, BUYER_ACCOUNT)
    with patch.multiple(closing.money, ask=ask, accounts=lambda *_: accounts):
        yield found


def charged(cause: Cause) -> dict[str, int]:
    nothing: Any = None
    held: Any = Held()
    return Closing(nothing, nothing, nothing)._charge(nothing, held, cause)


def caused(liable: int, difference: str, fee: str = "0", *, takes: bool = True) -> Cause:
    return Cause("X", liable, Liability(D(difference), D(fee)), takes_deposit=takes)


def test_what_the_deposit_does_not_cover_is_owed_by_the_account(asked: Asked) -> None:
    """CON-043: 900.59 and a fee of 14.45, of which 438.1875 are in deposit."""
    assert charged(caused(SELLER, "900.59", "14.45")) == {"seller_held_minor": 0}
    assert asked == [
        (money.FORFEIT, money.ESCROW, BUYER_ACCOUNT, 438_1875),
        (money.LIABILITY, SELLER_ACCOUNT, BUYER_ACCOUNT, 462_4025),
        (money.LIABILITY_FEE, SELLER_ACCOUNT, money.FEES, 14_4500),
    ]


def test_what_is_left_of_the_deposit_goes_back(asked: Asked) -> None:
    """CON-043."""
    assert charged(caused(BUYER, "380.00", "8.76")) == {"buyer_held_minor": 487_6150}
    assert asked == [
        (money.FORFEIT, money.ESCROW, SELLER_ACCOUNT, 380_0000),
        (money.FORFEIT_FEE, money.ESCROW, money.FEES, 8_7600),
    ]


def test_who_gains_of_the_market_still_pays_the_fee(asked: Asked) -> None:
    """CON-042, CON-043: both ways, the market is below the price when the seller fails."""
    assert charged(caused(SELLER, "-100.00", "14.45")) == {"seller_held_minor": 423_7375}
    assert asked == [
        (money.FORFEIT_FEE, money.ESCROW, money.FEES, 14_4500),
        (money.LIABILITY, BUYER_ACCOUNT, SELLER_ACCOUNT, 100_0000),
    ]


def test_a_difference_and_a_fee_of_one_size_do_not_cancel_out(asked: Asked) -> None:
    """CON-043."""
    charged(caused(SELLER, "-14.45", "14.45"))
    assert len(asked) == 2


def test_a_washout_leaves_the_deposits(asked: Asked) -> None:
    """CON-059."""
    assert charged(caused(BUYER, "190.00", takes=False)) == {}
    assert asked == [(money.LIABILITY, BUYER_ACCOUNT, SELLER_ACCOUNT, 190_0000)]
    assert charged(Cause("WASHOUT")) == {}
    assert len(asked) == 1
