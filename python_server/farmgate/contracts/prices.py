"""What a price comes to: the legs that are open, what was fixed, what the market says."""

from collections.abc import Sequence
from datetime import UTC, date
from decimal import Decimal
from typing import Final, Protocol

from sqlalchemy import Connection

from farmgate.api.contracts.v1 import delivery_types_pb2
from farmgate.contracts import store, terms
from farmgate.contracts.rules import PriceType, price, started_months, two_legs, weighted
from farmgate.contracts.terms import Terms
from farmgate.contracts.values import SELLER, Contract, Fixation
from farmgate.errors import DomainError, invalid

FUTURES, BASIS, ALL = 1, 2, 3
_OPEN: Final = {
    PriceType.FIXED: (),
    PriceType.BASIS: (FUTURES,),
    PriceType.HTA: (BASIS,),
}


class Prices(Protocol):
    """What the market says, in the unit and the currency of terms; None when it does not know."""

    def last(self, connection: Connection, terms: Terms) -> Decimal | None:
        """Returns what the reference series of the terms is at."""

    def on(self, connection: Connection, terms: Terms, day: date) -> Decimal | None:
        """Returns the settlement price of a day, or of the newest day before it, once known."""

    def between(
        self, connection: Connection, terms: Terms, start: date, end: date
    ) -> list[Decimal]:
        """Returns the values of the series from a day to a day, in order, once all are known."""

    def cash(self, connection: Connection, terms: Terms, day: date | None = None) -> Decimal | None:
        """Returns what the goods trade at for now at the place, or settled at on a day."""

    def usual(self, connection: Connection, terms: Terms, day: date) -> Decimal | None:
        """Returns the price on a day of the series that the commodity's basis is told against."""


def open_legs(contract: Contract) -> tuple[int, ...]:
    """Returns the legs that the terms leave open."""
    stated = contract.message()
    kind = terms.pricing(stated).type
    if kind is PriceType.HTA and not stated.price.futures_price:
        # Nothing is stated yet: both legs are fixed one after the other.
        return FUTURES, BASIS
    return _OPEN.get(kind, (ALL,))


def fixed_of(fixations: Sequence[Fixation], leg: int) -> Decimal:
    """Returns the quantity of which a leg is fixed."""
    return sum((Decimal(one.quantity) for one in fixations if one.leg == leg), start=Decimal(0))


def priced(contract: Contract, fixations: Sequence[Fixation]) -> Decimal:
    """Returns the quantity of which every leg is fixed."""
    legs = open_legs(contract)
    if not legs:
        return Decimal(contract.quantity)
    return min(fixed_of(fixations, leg) for leg in legs)


def is_priced(contract: Contract) -> bool:
    """Returns whether what was delivered has a price."""
    wanted = min(contract.delivered, Decimal(contract.quantity))
    return not open_legs(contract) or Decimal(contract.priced_quantity) >= max(
        wanted, Decimal("0.001")
    )


def unit_price(connection: Connection, contract: Contract) -> Decimal | None:
    """Returns the mean price a unit of what is priced, or None while nothing is."""
    stated = terms.pricing(contract.message())
    legs = open_legs(contract)
    if not legs:
        return stated.fixed
    fixations = store.fixations_of(connection, contract.id)
    if not priced(contract, fixations):
        return None
    if legs == (FUTURES, BASIS):
        return two_legs(stated, _mean(fixations, FUTURES), _mean(fixations, BASIS))
    since = _delivered_on(connection, contract)
    return weighted([
        (
            Decimal(one.quantity),
            price(stated, Decimal(one.value), months=started_months(since, one.at.date())),
        )
        for one in fixations
        if one.leg == legs[0]
    ])  # fmt: skip


def at_market(
    connection: Connection, contract: Contract, prices: Prices, leg: int, day: date | None = None
) -> Decimal | None:
    """Returns what a leg is at: the series, or for the basis the cash price above it.

    Args:
        connection: The transaction.
        contract: The contract.
        prices: The market.
        leg: The leg.
        day: Of which the settlement price is meant; the last price when None.
    """
    stated = contract.message()
    found = prices.last(connection, stated) if day is None else prices.on(connection, stated, day)
    if leg != BASIS or found is None:
        return found
    cash = prices.cash(connection, stated, day)
    return None if cash is None else cash - found


def reference(
    connection: Connection, contract: Contract, prices: Prices, day: date
) -> Decimal | None:
    """Returns what the goods are worth at the contract's place on a day, for a default.

    Without a cash market there it is the series and the basis that the parties agreed, or else the
    series that the commodity's basis is told against.
    """
    stated = contract.message()
    if prices.cash(connection, stated) is not None:
        return prices.cash(connection, stated, day)
    if not stated.price.reference_series:
        return prices.usual(connection, stated, day)
    series = prices.on(connection, stated, day)
    return None if series is None else series + Decimal(stated.price.basis or "0")


def worth(connection: Connection, stated: Terms, prices: Prices) -> Decimal:
    """Returns what the goods of terms are worth now, for deposits and limits.

    Raises:
        DomainError: NO_LIQUIDITY when neither the terms nor the market know a price.
    """
    known = terms.stated_price(stated)
    each = (
        Decimal(known) if known
        else prices.last(connection, stated) or prices.cash(connection, stated)
    )  # fmt: skip
    if each is None:
        raise DomainError("NO_LIQUIDITY")
    return Decimal(stated.quantity) * each


def agreed(connection: Connection, contract: Contract, market: Decimal) -> Decimal:
    """Returns the contract's price for what was not delivered; what is open is at the market."""
    found = unit_price(connection, contract)
    return market if found is None else found


def check_pricer(contract: Contract, party: int, leg: int, today: date) -> None:
    """Refuses to fix to who does not price, what is no open leg, and what is too late.

    Raises:
        DomainError: PERMISSION_DENIED, ALREADY_PRICED, PRICING_DEADLINE_PASSED or
            INVALID_ARGUMENT.
    """
    stated = contract.message()
    if party != (stated.price.pricer or SELLER):
        raise DomainError("PERMISSION_DENIED")
    legs = open_legs(contract)
    if not legs:
        raise DomainError("ALREADY_PRICED")
    if leg not in legs or terms.pricing(stated).type is PriceType.FORMULA:
        raise invalid("leg", "must be a leg that the terms leave to be fixed")
    deadline = terms.day("deadline", stated.price.pricing_deadline)
    if deadline and today > deadline:
        raise DomainError("PRICING_DEADLINE_PASSED", deadline=deadline)


def _mean(fixations: Sequence[Fixation], leg: int) -> Decimal:
    return weighted([(Decimal(one.quantity), Decimal(one.value)) for one in fixations
                     if one.leg == leg])  # fmt: skip


def _delivered_on(connection: Connection, contract: Contract) -> date:
    """Returns the day from which months count: of the first load, else of the window."""
    loads = store.deliveries_of(connection, contract.id, "APPLIED")
    days = [
        message.weigh_out_time.ToDatetime(tzinfo=UTC).date()
        for message in (delivery_types_pb2.Delivery.FromString(one.document) for one in loads)
    ]
    return min(days, default=date.fromisoformat(contract.delivery_start))
