"""What a contract is worth and what a default costs. Pure; the sources are the product's formulas.

Amounts are rounded half up, to 0.01 on each line of a statement, never in between.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import IntEnum
from typing import Final, NamedTuple

CENT: Final = Decimal("0.01")
_PRICE: Final = Decimal("0.000001")
_BPS: Final = Decimal(10_000)
_HUNDRED: Final = Decimal(100)
_SATURDAY: Final = 5


class PriceType(IntEnum):
    """How a price comes about; the numbers are the API's."""

    FIXED = 1
    BASIS = 2
    HTA = 3
    FORMULA = 4
    MIN_PRICE = 5
    MAX_PRICE = 6
    COLLAR = 7
    DEFERRED = 8


class Pricing(NamedTuple):
    """What the terms say of the price; what the type does not use is zero or None."""

    type: PriceType
    fixed: Decimal = Decimal(0)
    basis: Decimal = Decimal(0)
    futures: Decimal = Decimal(0)
    floor: Decimal | None = None
    cap: Decimal | None = None
    fee: Decimal = Decimal(0)
    monthly_fee: Decimal = Decimal(0)
    differential: Decimal = Decimal(0)


def cents(amount: Decimal) -> Decimal:
    """Returns an amount rounded half up to 0.01."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def price(terms: Pricing, fixed_at: Decimal, *, months: int = 0) -> Decimal:
    """Returns the price of a quantity whose open leg was fixed.

    Args:
        terms: What the terms say.
        fixed_at: What the leg was fixed at: futures, basis or the series; without meaning for
            FIXED.
        months: Started months since delivery, for DEFERRED.
    """
    match terms.type:
        case PriceType.FIXED:
            return terms.fixed
        case PriceType.BASIS:
            return fixed_at + terms.basis - terms.fee
        case PriceType.HTA:
            return terms.futures + fixed_at - terms.fee
        case PriceType.FORMULA:
            return fixed_at + terms.differential - terms.fee
        case PriceType.DEFERRED:
            return fixed_at - terms.monthly_fee * months - terms.fee
        case _:
            bounded = fixed_at if terms.floor is None else max(terms.floor, fixed_at)
            bounded = bounded if terms.cap is None else min(terms.cap, bounded)
            return bounded - terms.fee


def two_legs(terms: Pricing, futures: Decimal, basis: Decimal) -> Decimal:
    """Returns the price of which both legs were fixed, to six decimals."""
    return (futures + basis - terms.fee).quantize(_PRICE, ROUND_HALF_UP)


def started_months(start: date, end: date) -> int:
    """Returns how many months began from one day to another one."""
    months = (end.year - start.year) * 12 + end.month - start.month
    return max(0, months + (end.day > start.day))


def aggregate(kind: int, values: Sequence[Decimal]) -> Decimal:
    """Returns the price that a window of a series comes to.

    Args:
        kind: 1 mean, 2 last, 3 lowest, 4 highest.
        values: Values in order; one at least.
    """
    chosen = {2: values[-1], 3: min(values), 4: max(values)}
    if kind in chosen:
        return chosen[kind]
    return (sum(values, start=Decimal(0)) / len(values)).quantize(_PRICE, ROUND_HALF_UP)


def weighted(parts: Sequence[tuple[Decimal, Decimal]]) -> Decimal:
    """Returns the mean price of quantities and prices, to six decimals."""
    total = sum((quantity for quantity, _ in parts), start=Decimal(0))
    value = sum((quantity * each for quantity, each in parts), start=Decimal(0))
    return (value / total).quantize(_PRICE, ROUND_HALF_UP)


def business_days(start: datetime, count: int) -> datetime:
    """Returns the time a number of days later, Saturdays and Sundays not counted."""
    at = start
    while count:
        at += timedelta(days=1)
        count -= at.weekday() < _SATURDAY
    return at


def delivery_end(day: str, days: int) -> datetime:
    """Returns the first moment after a day and some more days."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=days + 1)


def least(quantity: Decimal, tolerance_pct: Decimal) -> Decimal:
    """Returns the smallest quantity that counts as delivered."""
    return quantity * (1 - tolerance_pct / _HUNDRED)


def most(quantity: Decimal, tolerance_pct: Decimal) -> Decimal:
    """Returns the largest quantity that the contract price is paid for."""
    return quantity * (1 + tolerance_pct / _HUNDRED)


class Liability(NamedTuple):
    """What a default costs: the difference to the market, and the exchange's fee."""

    difference: Decimal
    fee: Decimal

    @property
    def total(self) -> Decimal:
        """Returns both together."""
        return self.difference + self.fee


def liability(
    contract_price: Decimal, market_price: Decimal, quantity: Decimal, *, is_seller: bool,
    is_one_way: bool, admin_fee_bps: Decimal = Decimal(0),
) -> Liability:  # fmt: skip
    """Returns what a default costs the party in default; less than nothing is what it gets.

    Args:
        contract_price: Price of the contract.
        market_price: Price of the day of the default.
        quantity: What was not delivered or not taken.
        is_seller: Whether the seller is in default.
        is_one_way: Whether only a loss of the other party counts.
        admin_fee_bps: Fee on the value in default, in basis points.
    """
    difference = market_price - contract_price if is_seller else contract_price - market_price
    if is_one_way:
        difference = max(Decimal(0), difference)
    fee = contract_price * quantity * admin_fee_bps / _BPS
    return Liability(cents(difference * quantity), cents(fee))


def deposit(notional: Decimal, pct: Decimal) -> int:
    """Returns a deposit in 1e-4 of the currency."""
    return int((notional * pct / _HUNDRED * 10_000).quantize(Decimal(1), ROUND_HALF_UP))
