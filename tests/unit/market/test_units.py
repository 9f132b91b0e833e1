"""Units convert exactly."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farmgate.market import units


@pytest.mark.parametrize(
    ("commodity", "from_unit", "to_unit", "quantity"),
    [
        ("CORN", "t", "bu", "39.368261"),
        ("SORGHUM", "t", "bu", "39.368261"),
        ("WHEAT-SRW", "t", "bu", "36.743710"),
        ("SOYBEAN", "t", "bu", "36.743710"),
        ("BARLEY", "t", "bu", "45.929638"),
        ("OATS", "t", "bu", "68.894457"),
        ("RICE-ROUGH", "t", "cwt", "22.046226"),
        ("CORN", "bu", "lb", "56.000000"),
        ("CORN", "lb", "kg", "0.453592"),
        ("TURMERIC", "qtl", "kg", "100.000000"),
        ("COFFEE-SIDAMA", "bag", "kg", "60.000000"),
        ("CORN", "short_ton", "lb", "2000.000000"),
    ],
)
def test_one_unit_in_another(commodity: str, from_unit: str, to_unit: str, quantity: str) -> None:
    """MKT-001: vectors of the specification."""
    assert str(units.convert(commodity, Decimal(1), from_unit, to_unit)) == quantity


def test_halves_are_rounded_away_from_zero() -> None:
    """MKT-001: half up, not half even, on both sides of zero."""
    assert units.half_up(Fraction(5, 2)) == 3
    assert units.half_up(Fraction(-5, 2)) == -3
    assert units.half_up(Fraction(7, 2)) == 4
    # 0.000001 kg are 0.0000005 of 2 kg exactly; a tonne is a thousand of them.
    assert units.convert("CORN", Decimal("0.0005"), "kg", "t") == Decimal("0.000001")
    assert units.convert("CORN", Decimal("-0.0005"), "kg", "t") == Decimal("-0.000001")


@given(
    st.decimals(min_value=-(10**9), max_value=10**9, places=3),
    st.sampled_from(units.of("CORN")),
    st.sampled_from(units.of("CORN")),
)
def test_there_and_back_is_the_same(quantity: Decimal, one: str, other: str) -> None:
    """MKT-001: but for what six decimals of the coarser unit can't tell."""
    there = units.convert("CORN", quantity, one, other)
    back = units.convert("CORN", there, other, one)
    step = units.factor("CORN", other, one) * Fraction(1, 2_000_000)
    assert abs(Fraction(back) - Fraction(quantity)) <= step + Fraction(1, 2_000_000)


def test_a_price_goes_the_other_way_than_a_quantity() -> None:
    """MKT-001: USD 180.41 a tonne of corn are 180.41 x 0.02540117272 a bushel."""
    assert units.converted_price_micro("CORN", 180_410_000, "t", "bu") == 4_582_626
    assert units.converted_price_micro("CORN", 4_582_500, "bu", "bu") == 4_582_500


def test_what_is_not_measured_so_is_an_error() -> None:
    with pytest.raises(units.UnitError):
        units.mass_kg("TURMERIC", "bu")
    assert "bu" not in units.of("TURMERIC")
