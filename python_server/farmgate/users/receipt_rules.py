"""What a warehouse receipt may say, and who gets whose goods. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from farmgate.errors import DomainError, invalid

DECIMALS: Final = 3
# Far above any store of one commodity; sums of them stay far below what the core can hold.
QUANTITY_MINOR_MAX: Final = 10**9 * 10**DECIMALS
LIVE: Final = ("ISSUED", "PLEDGED", "LOCKED")


class Move(NamedTuple):
    """Goods that go from one account's receipts to another account."""

    source: str
    target: str
    quantity_minor: int


def minor(field: str, text: str) -> int:
    """Returns a quantity in thousandths.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    whole, _, fraction = text.partition(".")
    if fraction[DECIMALS:].strip("0"):
        raise invalid(field, f"must have at most {DECIMALS} decimals")
    quantity = int(whole + fraction[:DECIMALS].ljust(DECIMALS, "0"))
    if not 0 < quantity <= QUANTITY_MINOR_MAX:
        raise invalid(field, "must be more than 0 and at most 1000000000")
    return quantity


def decimal(quantity_minor: int) -> str:
    """Returns a quantity as a decimal."""
    whole, fraction = divmod(quantity_minor, 10**DECIMALS)
    return f"{whole}.{fraction:0{DECIMALS}d}".rstrip("0").rstrip(".")


def check_parts(whole_minor: int, parts: Sequence[int]) -> None:
    """Checks that parts make up the whole.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    if sum(parts) != whole_minor:
        raise invalid("quantities", f"must add up to {decimal(whole_minor)}")


def check_live(receipt_id: str, status: str, action: str, allowed: Collection[str]) -> None:
    """Checks that a receipt is in a state for an action.

    Raises:
        DomainError: RESOURCE_STATE.
    """
    if status not in allowed:
        raise DomainError(
            "RESOURCE_STATE", resource="receipt", id=receipt_id, state=status, action=action
        )


def moves(receipts: Mapping[str, int], balances: Mapping[str, int]) -> list[Move]:
    """Returns what must move so that receipts lie with those who have the goods.

    Args:
        receipts: Quantity of the receipts by account.
        balances: Quantity in the core by account.
    """
    accounts = sorted(receipts.keys() | balances.keys())
    gaps = {one: balances.get(one, 0) - receipts.get(one, 0) for one in accounts}
    givers = [[one, -gap] for one, gap in gaps.items() if gap < 0]
    takers = [[one, gap] for one, gap in gaps.items() if gap > 0]
    found: list[Move] = []
    while givers and takers:
        (source, spare), (target, lack) = givers[0], takers[0]
        assert isinstance(spare, int)
        assert isinstance(lack, int)
        quantity = min(spare, lack)
        found.append(Move(str(source), str(target), quantity))
        givers[0][1], takers[0][1] = spare - quantity, lack - quantity
        givers, takers = [one for one in givers if one[1]], [one for one in takers if one[1]]
    return found
