"""What is stated of instruments, and the limits that follow from settlements."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farmgate.errors import DomainError
from farmgate.market.terms import (
    NAMES,
    Defaults,
    Reach,
    Terms,
    check_limits,
    core_rules,
    limits_after,
    terms_of,
    text_of,
)

DEFAULTS = Defaults(
    Decimal("0.5"), Decimal("2.5"), Decimal(5), 60, 40, "VARIABLE_7PCT", "ALWAYS_OPEN"
)
SPOT, FORWARD = 1, 2
GRID: Any = {
    "symbol": "CORN-X", "kind": FORWARD, "base_asset": 2, "quote_asset": 1,
    "tick_size_micro": 2_500, "tick_value_minor": 2_500, "lot_size_minor": 100_000,
    "price_min": 458, "price_max": 7_328, "limit_low": 1, "limit_high": 2, "phase": 5,
}  # fmt: skip


def reach(terms: Terms, *prices: int, is_expanded: bool = False) -> tuple[int, int]:
    low, high = limits_after(terms, DEFAULTS, prices, GRID, is_expanded=is_expanded)
    return prices[-1] - low, high - prices[-1]


def test_variable_limits_of_the_specification() -> None:
    """MKT-034, A5: corn at 4.58 has 30 cents, 45 after a settlement at the limit."""
    assert reach(Terms(), *[1_832] * 45) == (120, 120)
    assert reach(Terms(), *[1_832] * 45, is_expanded=True) == (180, 180)


def test_limits_of_the_other_modes() -> None:
    """MKT-034."""
    fixed = Terms(limit_mode="FIXED", limit_initial="0.25")
    assert reach(fixed, 1_832) == (100, 100)
    assert reach(fixed, 1_832, is_expanded=True) == (150, 150)
    wide = Terms(limit_mode="FIXED", limit_initial="0.25", limit_expanded="0.4")
    assert reach(wide, 1_832, is_expanded=True) == (160, 160)
    part = Terms(limit_mode="PCT", limit_initial="10")
    assert reach(part, 1_832) == (183, 183)
    assert reach(part, 1_832, is_expanded=True) == (275, 275)
    none = limits_after(Terms(limit_mode="NONE"), DEFAULTS, [1_832], GRID, is_expanded=False)
    assert none == Reach(458, 7_328)
    other = Terms(limit_increment="0.005")
    assert reach(other, *[1_832] * 45) == (128, 128), "0.3206 is nearest to 0.32"


@given(
    st.integers(458, 7_328),
    st.sampled_from(["", "NONE", "FIXED", "PCT"]),
    st.decimals("0.0025", "5", places=4),
    st.booleans(),
)
def test_limits_lie_within_what_the_instrument_can_hold(
    price: int,
    mode: str,
    size: Decimal,
    is_expanded: bool,  # noqa: FBT001 - Hypothesis hands it in by place.
) -> None:
    """MKT-034."""
    terms = Terms(limit_mode=mode, limit_initial=str(size))
    low, high = limits_after(terms, DEFAULTS, [price], GRID, is_expanded=is_expanded)
    assert GRID["price_min"] <= low <= price <= high <= GRID["price_max"]


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        (Terms(limit_mode="FIXED"), "rules.limit_initial"),
        (Terms(limit_mode="PCT", limit_initial="0"), "rules.limit_initial"),
        (Terms(limit_initial="1"), "rules.limit_initial"),
        (Terms(limit_expanded="1"), "rules.limit_expanded"),
        (Terms(limit_mode="PCT", limit_initial="5", limit_expanded="4"), "rules.limit_expanded"),
        (Terms(limit_mode="NONE", limit_increment="1"), "rules.limit_increment"),
    ],
)
def test_limits_that_do_not_go_together_are_refused(terms: Terms, field: str) -> None:
    """ADM-081."""
    with pytest.raises(DomainError) as refusal:
        check_limits(terms, DEFAULTS, 2_500)
    assert refusal.value.values["field"] == field


def test_rules_follow_the_settings_where_nothing_is_stated() -> None:
    """ADM-083."""
    rules = core_rules(Terms(), DEFAULTS, GRID, 1_832)
    assert (rules["maker_fee_centi_bps"], rules["taker_fee_centi_bps"]) == (50, 250)
    assert (rules["band_ticks"], rules["protection_ticks"]) == (92, 40)
    assert rules["volatility_auction_ns"] == 60 * 10**9
    assert (rules["deposit_bps"], rules["allocation"], rules["max_lots"]) == (1_000, 1, 10_000)
    own = Terms(
        band_ticks=7, protection_ticks=8, maker_bps="-0.1", taker_bps="3", deposit_pct="12.5",
        is_pro_rata=True, fifo_pct=40, max_order_notional="1000000.5", position_limit_lots=9,
    )  # fmt: skip
    rules = core_rules(own, DEFAULTS, GRID, 1_832)
    assert (rules["maker_fee_centi_bps"], rules["taker_fee_centi_bps"]) == (-10, 300)
    assert (rules["band_ticks"], rules["protection_ticks"], rules["deposit_bps"]) == (7, 8, 1_250)
    assert (rules["allocation"], rules["fifo_percent"], rules["share_min_lots"]) == (3, 40, 2)
    assert (rules["max_notional_minor"], rules["position_limit_lots"]) == (10_000_005_000, 9)


def test_terms_are_kept_as_stated() -> None:
    terms = Terms(band_ticks=7, maker_bps="-0.1", is_pro_rata=True)
    assert terms_of(text_of(terms)) == terms
    assert text_of(Terms()) == "{}"
    assert {"band_ticks", "limit_increment", "calendar_code"} < set(NAMES)
