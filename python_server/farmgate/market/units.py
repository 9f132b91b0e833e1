"""Exact conversion between the trade's units. Pure.

Source: the international avoirdupois pound of 1959, 0.45359237 kg; bushel weights of 7 CFR 810 and
the contract specifications of the exchanges.
"""

from decimal import Decimal
from fractions import Fraction
from typing import Final

_LB_KG: Final = Fraction("0.45359237")
# Units of the same mass whatever is weighed.
_MASS_KG: Final = {
    "kg": Fraction(1),
    "t": Fraction(1_000),
    "qtl": Fraction(100),
    "lb": _LB_KG,
    "cwt": 100 * _LB_KG,
    "short_ton": 2_000 * _LB_KG,
}
# Pounds in a bushel of a commodity; others are not measured by it.
_BUSHEL_LB: Final = {
    "CORN": 56, "MAIZE-EU": 56, "SORGHUM": 56, "WHEAT-SRW": 60, "WHEAT-HRW": 60, "WHEAT-MILL": 60,
    "SOYBEAN": 60, "BARLEY": 48, "OATS": 32, "RICE-ROUGH": 45,
}  # fmt: skip
_BAG_KG: Final = {"COFFEE-SIDAMA": 60, "SESAME": 100, "CHANA": 100, "TURMERIC": 100}
_MICRO: Final = 1_000_000
_NAMES: Final = ("bu", "cwt", "t", "kg", "lb", "qtl", "bag", "short_ton")


class UnitError(ValueError):
    """A unit that does not exist or that the commodity is not measured by."""


def mass_kg(commodity: str, unit: str) -> Fraction:
    """Returns the exact mass of a unit of a commodity.

    Raises:
        UnitError: The commodity is not measured by it.
    """
    if unit in _MASS_KG:
        return _MASS_KG[unit]
    if unit == "bu" and commodity in _BUSHEL_LB:
        return _BUSHEL_LB[commodity] * _LB_KG
    if unit == "bag" and commodity in _BAG_KG:
        return Fraction(_BAG_KG[commodity])
    raise UnitError(unit)


def of(commodity: str) -> list[str]:
    """Returns the units that a commodity is measured by."""
    has = {"bu": commodity in _BUSHEL_LB, "bag": commodity in _BAG_KG}
    return [name for name in _NAMES if has.get(name, True)]


def factor(commodity: str, from_unit: str, to_unit: str) -> Fraction:
    """Returns how many of one unit are in one of the other.

    Raises:
        UnitError: The commodity is not measured by one of them.
    """
    return mass_kg(commodity, from_unit) / mass_kg(commodity, to_unit)


def convert(commodity: str, quantity: Decimal, from_unit: str, to_unit: str) -> Decimal:
    """Returns a quantity in another unit, rounded half up to six decimals.

    Raises:
        UnitError: The commodity is not measured by one of them.
    """
    return rounded(Fraction(quantity) * factor(commodity, from_unit, to_unit))


def converted_price_micro(commodity: str, price_micro: int, from_unit: str, to_unit: str) -> int:
    """Returns a price per unit as one per another unit; rounded half up, in millionths.

    Raises:
        UnitError: The commodity is not measured by one of them.
    """
    if from_unit == to_unit:
        return price_micro
    return half_up(price_micro * factor(commodity, to_unit, from_unit))


def plain(value: Decimal) -> str:
    """Returns a value without exponent and trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def rounded(value: Fraction) -> Decimal:
    """Returns a value rounded half up, away from zero, to six decimals."""
    return Decimal(half_up(value * _MICRO)).scaleb(-6)


def half_up(value: Fraction) -> int:
    """Returns the nearest whole number, of two the one farther from zero."""
    nearest = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return nearest if value >= 0 else -nearest
