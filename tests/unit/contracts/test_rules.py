"""The golden vectors of the specification."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farmgate.api.contracts.v1 import contract_terms_pb2
from farmgate.contracts import rules, terms, tickets
from farmgate.contracts.rules import PriceType, Pricing
from farmgate.ports.unixfs import cid_of
from farmgate.ports.wallets import keccak256

D = Decimal
BUSHEL_KG = D("25.40117272")


def test_load_tickets_are_the_vectors() -> None:
    """CON-030."""
    quality = {
        "MOISTURE": D("17.3"),
        "TEST_WEIGHT": D("53.4"),
        "DAMAGE": D("6.2"),
        "BCFM": D("4.5"),
    }
    one = tickets.weigh(D(79540), D(26120), "lb", BUSHEL_KG, quality, tickets.US_CORN)
    assert (one.net, one.shrink_pct, one.units) == (D(53420), D("3.22"), D("923.21"))
    assert (one.discount, one.drying) == (D("0.06"), D("0.1265"))
    assert tickets.amounts(one, D("4.6125")) == (D("4258.31"), D("55.39"), D("116.79"))
    quality = {"MOISTURE": D("14.8"), "TEST_WEIGHT": D("56.1"), "DAMAGE": D(2), "BCFM": D("1.2")}
    two = tickets.weigh(D(78980), D(26100), "lb", BUSHEL_KG, quality, tickets.US_CORN)
    assert two.units == D("944.29")
    assert tickets.amounts(two, D("4.6125")) == (D("4355.54"), D(0), D(0))


@pytest.mark.parametrize(
    ("parameter", "value", "discount", "rejectable"),
    [
        ("TEST_WEIGHT", "54", "0", ""), ("TEST_WEIGHT", "53.9", "0.02", ""),
        ("TEST_WEIGHT", "52", "0.04", ""), ("TEST_WEIGHT", "49", "0.14", ""),
        ("TEST_WEIGHT", "48.99", "0.14", "TEST_WEIGHT"),
        ("DAMAGE", "5", "0", ""), ("DAMAGE", "5.1", "0.01", ""), ("DAMAGE", "7.5", "0.04", ""),
        ("DAMAGE", "9", "0.06", ""), ("BCFM", "4", "0", ""), ("BCFM", "10.5", "0.15", ""),
    ],
)  # fmt: skip
def test_discounts_go_by_begun_steps(
    parameter: str, value: str, discount: str, rejectable: str
) -> None:
    """CON-030."""
    one = tickets.weigh(D(2000), D(1000), "lb", BUSHEL_KG, {parameter: D(value)}, tickets.US_CORN)
    assert (one.discount, one.rejectable) == (D(discount), rejectable)


def test_prices_are_the_vectors() -> None:
    """CON-041."""
    hta = Pricing(PriceType.HTA, futures=D("4.75"), fee=D("0.02"))
    assert rules.price(hta, D("-0.22")) == D("4.51")
    assert rules.price(Pricing(PriceType.FIXED, fixed=D("4.6125")), D(9)) == D("4.6125")
    assert rules.price(Pricing(PriceType.BASIS, basis=D("-0.20")), D("4.75")) == D("4.55")
    floor = Pricing(PriceType.MIN_PRICE, floor=D("4.40"), fee=D("0.10"))
    assert rules.price(floor, D("4.10")) == D("4.30")
    assert rules.price(floor, D("4.80")) == D("4.70")
    collar = Pricing(PriceType.COLLAR, floor=D("4.40"), cap=D("4.90"))
    assert [rules.price(collar, D(p)) for p in ("4.1", "4.5", "5.2")] == [
        D("4.40"), D("4.5"), D("4.90"),
    ]  # fmt: skip
    deferred = Pricing(PriceType.DEFERRED, monthly_fee=D("0.03"))
    assert rules.price(deferred, D("4.50"), months=3) == D("4.41")
    assert rules.weighted([(D(1000), D("4.50")), (D(4000), D("4.60"))]) == D("4.58")
    assert rules.aggregate(1, [D(1), D(2), D(2)]) == D("1.666667")
    assert [rules.aggregate(k, [D(3), D(1), D(2)]) for k in (2, 3, 4)] == [D(2), D(1), D(3)]


def test_a_default_costs_the_vector() -> None:
    """CON-042."""
    left = D(5000) - D("1867.50")
    cost = rules.liability(D("4.6125"), D("4.9000"), left, is_seller=True, is_one_way=True)
    assert cost == (D("900.59"), D(0))
    with_fee = rules.liability(
        D("4.6125"), D("4.9000"), left, is_seller=True, is_one_way=True, admin_fee_bps=D(10)
    )
    # 3,132.50 at 4.6125 are 14,448.66; a thousandth of it is the fee.
    assert (with_fee.fee, with_fee.total) == (D("14.45"), D("915.04"))
    sides = ((True, True, 0), (True, False, -10), (False, True, 10), (False, False, 10))
    for is_seller, is_one_way, expected in sides:
        owed = rules.liability(D(5), D(4), D(10), is_seller=is_seller, is_one_way=is_one_way)
        assert owed.total == expected


@given(st.decimals(0, 10**6, places=3), st.decimals(0, 10, places=2))
def test_tolerance_lies_around_the_quantity(quantity: D, pct: D) -> None:
    """CON-031."""
    assert rules.least(quantity, pct) <= quantity <= rules.most(quantity, pct)


def test_canonical_terms_are_the_vector() -> None:
    """CON-010."""
    stated = contract_terms_pb2.ContractTerms(
        commodity_code="CORN", grade_code="US-2-YELLOW", quantity="5000", unit="bu",
        tolerance_pct="2", rules=contract_terms_pb2.CONTRACT_RULES_NGFA,
    )  # fmt: skip
    stated.delivery.start, stated.delivery.end = "2026-12-01", "2026-12-31"
    stated.delivery.location_code = "CHI"
    stated.delivery.incoterm = contract_terms_pb2.INCOTERM_DAP
    stated.price.type = contract_terms_pb2.PRICE_TYPE_FIXED
    stated.price.currency, stated.price.fixed_price = "USD", "4.6125"
    text = terms.canonical(stated, "01JD8Z3N6V7Q2X4T5Y6R8W9A0B", 1)
    assert len(text) == 338
    assert keccak256(text.encode()).hex() == (
        "0a436da713e081034316469631af99bbedaa375c062d531c1b5163d5c7a20c69"
    )
    assert cid_of(text.encode()) == "bafkreif2cwbvqkfzxzmtcawodci3nefzzksgoiz6mnxyi7coicnytt66ny"


@given(st.integers(0, 30))
def test_business_days_are_none_of_the_weekend(count: int) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415 - Only here.

    from farmgate.contracts.rules import business_days  # noqa: PLC0415 - Only here.

    start = datetime(2026, 6, 1, tzinfo=UTC)
    end = business_days(start, count)
    assert (end - start).days >= count
    assert end.weekday() < 5
