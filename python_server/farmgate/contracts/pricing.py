"""Use cases of pricing: fixing the open leg at the market."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Final, TypeVar

from sqlalchemy import Connection

from farmgate.contracts import store, terms
from farmgate.contracts.rules import PriceType
from farmgate.contracts.steps import SYSTEM, Actor, Steps, unit_price
from farmgate.contracts.values import ACTIVE, SELLER, Contract, Fixation
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid

M = TypeVar("M", bound=Serializable)
Market = Callable[[str], Decimal | None]
FUTURES, BASIS, ALL = 1, 2, 3
_MANUAL, _AT_MARKET, _AUTO = 1, 2, 3
# Which leg of a type is open.
_OPEN: Final = {
    PriceType.BASIS: FUTURES, PriceType.HTA: BASIS, PriceType.MIN_PRICE: ALL,
    PriceType.MAX_PRICE: ALL, PriceType.COLLAR: ALL, PriceType.DEFERRED: ALL,
}  # fmt: skip


class Fixing:
    """Fixes prices.

    Args:
        database: Where contracts are kept.
        steps: Makes steps.
        market: Returns the last price of an instrument that serves as series, None without one.
    """

    def __init__(self, database: Database, steps: Steps, market: Market) -> None:
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
            stated = contract.message()
            if party != (stated.price.pricer or SELLER):
                raise DomainError("PERMISSION_DENIED")
            deadline = terms.day("deadline", stated.price.pricing_deadline)
            if deadline and self._steps.clock.now().date() > deadline:
                raise DomainError("PRICING_DEADLINE_PASSED", deadline=deadline)
            value = self._value(contract, leg)
            if target:
                wanted = Decimal(target)
                is_worse = value < wanted if party == SELLER else value > wanted
                if is_worse:
                    raise invalid("target_price", f"is not reached: the market is at {value}")
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

    def is_due(self, connection: Connection, today: date) -> bool:
        """Returns whether something is open after its deadline."""
        return any(self._overdue(connection, today))

    def fix_due(self, connection: Connection, today: date) -> None:
        """Fixes what is open after the deadline; a series without a price is waited for."""
        for contract, leg, left in self._overdue(connection, today):
            value = self._value(contract, leg)
            self._fix(connection, contract, leg, left, value, _AUTO, SYSTEM)

    def _overdue(self, connection: Connection, today: date) -> list[tuple[Contract, int, Decimal]]:
        """Returns contracts with their open leg and quantity, where the market has a price."""
        found = []
        for contract in store.in_state(connection, (ACTIVE,)):
            stated = contract.message()
            deadline = terms.day("deadline", stated.price.pricing_deadline)
            leg = _OPEN.get(terms.pricing(stated).type)
            left = Decimal(stated.quantity) - Decimal(contract.priced_quantity)
            if leg is None or deadline is None or today <= deadline or left <= 0:
                continue
            if self._market(stated.price.reference_series) is not None:
                found.append((contract, leg, left))
        return found

    def _value(self, contract: Contract, leg: int) -> Decimal:
        stated = contract.message()
        kind = terms.pricing(stated).type
        if kind not in _OPEN:
            raise DomainError("ALREADY_PRICED")
        if leg != _OPEN[kind]:
            raise invalid("leg", "must be the leg that the terms leave open")
        series = stated.price.reference_series
        at = self._market(series)
        if at is None:
            raise DomainError("NO_LIQUIDITY")
        # The basis is what the cash market, the series named, is above the futures price.
        return at - terms.pricing(stated).futures if leg == BASIS else at

    def _fix(
        self, connection: Connection, contract: Contract, leg: int, quantity: Decimal,
        value: Decimal, method: int, actor: Actor,
    ) -> Fixation:  # fmt: skip
        stated = contract.message()
        balance = Decimal(stated.quantity) - Decimal(contract.priced_quantity)
        if quantity <= 0:
            raise invalid("quantity", "must be more than 0")
        if quantity > balance:
            raise DomainError("FIXATION_EXCEEDS_BALANCE", balance=f"{balance:f}")
        fixation = Fixation(
            self._steps.ids.ulid(), contract.id, leg, f"{quantity:f}", f"{value:f}",
            stated.price.reference_series, method, actor.user_id, self._steps.clock.now(),
        )  # fmt: skip
        store.add_fixation(connection, fixation)
        priced = Decimal(contract.priced_quantity) + quantity
        self._steps.step(
            connection, contract, "contract.price_fixed", actor,
            detail={"quantity": f"{quantity:f} {stated.unit}", "price": f"{value:f}"},
            priced_quantity=f"{priced:f}",
        )  # fmt: skip
        return fixation
