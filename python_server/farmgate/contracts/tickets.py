"""What a load comes to: weight, shrink, discounts. Pure.

Source: the load ticket of the product's specification, shaped on a published elevator schedule.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Final

from farmgate.contracts.rules import cents

US_CORN: Final = "US-CORN-DEMO"
MOISTURE: Final = "MOISTURE"
TEST_WEIGHT: Final = "TEST_WEIGHT"
DAMAGE: Final = "DAMAGE"
FOREIGN: Final = "BCFM"
_LB_KG: Final = Decimal("0.45359237")
_KG: Final = {"lb": _LB_KG, "kg": Decimal(1), "t": Decimal(1000)}
_DRY_AT: Final = Decimal("15.0")
_SHRINK_FACTOR: Final = Decimal("1.4")
_DRYING: Final = Decimal("0.055")
_HUNDRED: Final = Decimal(100)
_UNIT: Final = Decimal("0.01")
# Discount a bushel by whole test weight in lb/bu, from 54 down; below 49 a load may be rejected.
_TEST_WEIGHTS: Final = {53: ".02", 52: ".04", 51: ".07", 50: ".10", 49: ".14"}
_TEST_WEIGHT_PAR: Final = 54
_TEST_WEIGHT_LEAST: Final = 49
_DAMAGE_FREE: Final = Decimal(5)
_DAMAGE_STEP: Final = Decimal("0.02")
_DAMAGE_FIRST: Final = Decimal("0.01")
_FOREIGN_FREE: Final = Decimal(4)
_FOREIGN_STEPS: Final = (".02", ".04", ".06", ".08", ".10", ".12", ".15")
_FOREIGN_MORE: Final = Decimal("0.03")


class UnitError(ValueError):
    """A weight in a unit that nobody weighs in."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a load comes to.

    Attributes:
        net: Weight of the goods, in the unit of the weighing.
        shrink_pct: Weight taken off for moisture, in per cent.
        units: Quantity in units of the contract, to two decimals.
        discount: Discount a unit for quality.
        drying: Charge a unit for drying.
        rejectable: Parameter for which the load may be rejected; empty for none.
    """

    net: Decimal
    shrink_pct: Decimal
    units: Decimal
    discount: Decimal
    drying: Decimal
    rejectable: str = ""


def weigh(
    gross: Decimal, tare: Decimal, unit: str, unit_mass_kg: Decimal,
    quality: Mapping[str, Decimal], schedule: str,
) -> Ticket:  # fmt: skip
    """Returns what a load comes to.

    Args:
        gross: Weight full.
        tare: Weight empty, below it.
        unit: "lb", "kg" or "t".
        unit_mass_kg: Mass of a unit of the contract.
        quality: Measured values by parameter; what was not measured counts as par.
        schedule: Discount schedule; an empty one discounts nothing.

    Raises:
        UnitError: The unit is another one.
    """
    if unit not in _KG:
        raise UnitError(unit)
    net = gross - tare
    shrink = drying = discount = Decimal(0)
    rejectable = ""
    if schedule == US_CORN:
        over = max(Decimal(0), quality.get(MOISTURE, _DRY_AT) - _DRY_AT)
        shrink = over * _SHRINK_FACTOR
        drying = over * _DRYING
        discount, rejectable = _us_corn(quality)
    dry = net * (1 - shrink / _HUNDRED)
    # In lb a bushel is a whole number of them; the detour by kg would not be exact.
    per_unit = _exact(unit_mass_kg, unit)
    units = (dry / per_unit).quantize(_UNIT, ROUND_HALF_UP)
    return Ticket(net, shrink, units, discount, drying, rejectable)


def amounts(ticket: Ticket, price: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    """Returns goods, discount and drying of a load, each rounded to 0.01."""
    return (
        cents(ticket.units * price),
        cents(ticket.units * ticket.discount),
        cents(ticket.units * ticket.drying),
    )


def _exact(unit_mass_kg: Decimal, unit: str) -> Decimal:
    mass = unit_mass_kg / _KG[unit]
    return mass.quantize(Decimal("0.000001"), ROUND_HALF_UP)


def _us_corn(quality: Mapping[str, Decimal]) -> tuple[Decimal, str]:
    discount = Decimal(0)
    rejectable = ""
    weight = quality.get(TEST_WEIGHT, Decimal(_TEST_WEIGHT_PAR))
    if weight < _TEST_WEIGHT_LEAST:
        rejectable = TEST_WEIGHT
        discount += Decimal(_TEST_WEIGHTS[_TEST_WEIGHT_LEAST])
    elif weight < _TEST_WEIGHT_PAR:
        discount += Decimal(_TEST_WEIGHTS[int(weight)])
    # A begun per cent counts whole: .01 for the first, .02 for each further one.
    steps = _steps(quality.get(DAMAGE, Decimal(0)) - _DAMAGE_FREE)
    if steps:
        discount += _DAMAGE_FIRST if steps == 1 else _DAMAGE_STEP * (steps - 1)
    foreign = _steps(quality.get(FOREIGN, Decimal(0)) - _FOREIGN_FREE)
    if foreign:
        last = len(_FOREIGN_STEPS)
        discount += Decimal(_FOREIGN_STEPS[min(foreign, last) - 1])
        discount += _FOREIGN_MORE * max(0, foreign - last)
    return discount, rejectable


def _steps(over: Decimal) -> int:
    return max(0, int(over.to_integral_value(ROUND_CEILING)))
