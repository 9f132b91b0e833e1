"""Use cases of pricing: fixing the open legs at the market, by a firm offer, or at the deadline."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVar

from sqlalchemy import Connection

from farmgate.contracts import matter_store, store, terms
from farmgate.contracts.firm_offers import is_reached, offer_of
from farmgate.contracts.matters import change
from farmgate.contracts.prices import (
    Prices,
    at_market,
    check_pricer,
    fixed_of,
    open_legs,
    priced,
    unit_price,
)
from farmgate.contracts.rules import PriceType, aggregate
from farmgate.contracts.steps import SYSTEM, Actor, Steps
from farmgate.contracts.values import ACTIVE, FIRM_OFFER, SELLER, Contract, Fixation, Matter
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid

M = TypeVar("M", bound=Serializable)
_MANUAL, _AT_MARKET, _AUTO, _OFFER = 1, 2, 3, 4


class Fixing:
    """Fixes prices.

    Args:
        database: Where contracts are kept.
        steps: Makes steps.
        market: Says what series and instruments are at.
    """

    def __init__(self, database: Database, steps: Steps, market: Prices) -> None:
        self._database = database
        self._steps = steps
        self._market = market

    async def fix(
        self, actor: Actor, contract_id: str, leg: int, quantity: str, target: str,
        effect: Effect[Fixation, M],
    ) -> M:  # fmt: skip
        """Fixes a quantity at the market, if it is at the target or better for the pricer.

        Raises:
            DomainError: NOT_A_PARTY, PERMISSION_DENIED, CONTRACT_STATE, ALREADY_PRICED,
                PRICING_DEADLINE_PASSED, FIXATION_EXCEEDS_BALANCE, NO_LIQUIDITY without a price, or
                INVALID_ARGUMENT.
        """

        def write(connection: Connection) -> None:
            contract, party = self._steps.own(connection, contract_id, actor, "fix", (ACTIVE,))
            check_pricer(contract, party, leg, self._steps.clock.now().date())
            value = at_market(connection, contract, self._market, leg)
            if value is None:
                raise DomainError("NO_LIQUIDITY")
            if target and not is_reached(party, Decimal(target), value):
                raise invalid("target_price", f"is not reached: the market is at {value:f}")
            method = _MANUAL if target else _AT_MARKET
            fixation = self._fix(connection, contract, leg, Decimal(quantity), value, method, actor)
            effect.record(connection, fixation, resource=f"contract/{contract_id}")

        await self._database.write(write)
        return effect.reply

    async def page(
        self, actor: Actor, contract_id: str
    ) -> tuple[Contract, list[Fixation], Decimal | None]:
        """Returns a contract with its fixations and the mean price so far.

        Raises:
            DomainError: NOT_A_PARTY.
        """

        def read(connection: Connection) -> tuple[Contract, list[Fixation], Decimal | None]:
            contract = self._steps.found(connection, contract_id, actor)
            return (
                contract,
                store.fixations_of(connection, contract_id),
                unit_price(connection, contract),
            )

        return await self._database.read(read)

    def is_due(self, connection: Connection, now: datetime) -> bool:
        """Returns whether a deadline has passed or a firm offer is reached or over."""
        return any(self._overdue(connection, now.date())) or any(self._ended(connection, now))

    def fix_due(self, connection: Connection, now: datetime) -> None:
        """Fixes what firm offers and deadlines fix; a series without a price is waited for.

        A deadline fixes at the settlement price of its day, also while there is a dispute.
        """
        for one, is_filled in self._ended(connection, now):
            self._fill(connection, one, is_filled=is_filled)
        for contract, leg, left, value in self._overdue(connection, now.date()):
            fresh = store.contract(connection, contract.id) or contract
            self._fix(connection, fresh, leg, left, value, _AUTO, SYSTEM)

    def _ended(self, connection: Connection, now: datetime) -> Iterator[tuple[Matter, bool]]:
        """Returns the firm offers that are filled now, and those whose time is over."""
        for one in matter_store.open_of_kind(connection, FIRM_OFFER):
            contract = store.contract(connection, one.contract_id)
            assert contract is not None, "Contracts are kept."
            offer = offer_of(one)
            assert one.due_at is not None, "It has an end."
            if one.due_at <= now:
                yield one, False
                continue
            value = at_market(connection, contract, self._market, offer.leg)
            pricer = contract.message().price.pricer or SELLER
            if value is not None and is_reached(pricer, Decimal(offer.target_price), value):
                yield one, True

    def _fill(self, connection: Connection, one: Matter, *, is_filled: bool) -> None:
        contract = store.contract(connection, one.contract_id)
        assert contract is not None, "Contracts are kept."
        offer = offer_of(one)
        left = _left(connection, contract, offer.leg)
        if not is_filled or left <= 0:
            change(connection, one, "EXPIRED")
            return
        quantity = min(left, Decimal(offer.quantity))
        # As a limit order would: at its own price, also when the market jumped beyond it.
        fixation = self._fix(
            connection, contract, offer.leg, quantity, Decimal(offer.target_price), _OFFER, SYSTEM
        )
        offer.fixation_id = fixation.id
        change(connection, one, "FILLED", offer.SerializeToString())

    def _overdue(
        self, connection: Connection, today: date
    ) -> Iterator[tuple[Contract, int, Decimal, Decimal]]:
        """Returns contracts with open leg, quantity and price, where the market has one."""
        for contract in store.in_state(connection, (ACTIVE,)):
            day = _fixed_after(contract)
            if day is None or today <= day:
                continue
            for leg in open_legs(contract):
                left = _left(connection, contract, leg)
                value = self._settled(connection, contract, leg, day) if left > 0 else None
                if value is not None:
                    yield contract, leg, left, value

    def _settled(
        self, connection: Connection, contract: Contract, leg: int, day: date
    ) -> Decimal | None:
        price = contract.message().price
        if PriceType(price.type) is not PriceType.FORMULA:
            return at_market(connection, contract, self._market, leg, day)
        start = date.fromisoformat(price.formula.window_start)
        values = self._market.between(connection, contract.message(), start, day)
        return aggregate(int(price.formula.aggregate), values) if values else None

    def _fix(
        self, connection: Connection, contract: Contract, leg: int, quantity: Decimal,
        value: Decimal, method: int, actor: Actor,
    ) -> Fixation:  # fmt: skip
        stated = contract.message()
        balance = _left(connection, contract, leg)
        if quantity <= 0:
            raise invalid("quantity", "must be more than 0")
        if quantity > balance:
            raise DomainError("FIXATION_EXCEEDS_BALANCE", balance=f"{balance:f}")
        fixation = Fixation(
            self._steps.ids.ulid(), contract.id, leg, f"{quantity:f}", f"{value:f}",
            stated.price.reference_series, method, actor.user_id, self._steps.clock.now(),
        )  # fmt: skip
        store.add_fixation(connection, fixation)
        done = priced(contract, store.fixations_of(connection, contract.id))
        self._steps.step(
            connection, contract, "contract.price_fixed", actor,
            detail={
                "quantity": f"{quantity:f} {stated.unit}", "price": f"{value:f}", "leg": leg,
                "method": method,
            },
            priced_quantity=f"{done:f}",
        )  # fmt: skip
        return fixation


def _fixed_after(contract: Contract) -> date | None:
    """Returns the day after which what is open is fixed by itself."""
    price = contract.message().price
    is_formula = PriceType(price.type) is PriceType.FORMULA
    return terms.day("day", price.formula.window_end if is_formula else price.pricing_deadline)


def _left(connection: Connection, contract: Contract, leg: int) -> Decimal:
    done = fixed_of(store.fixations_of(connection, contract.id), leg)
    return Decimal(contract.quantity) - done
