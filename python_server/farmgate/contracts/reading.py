"""Reads of contracts and of what happened to them."""

from collections.abc import Collection

from sqlalchemy import Connection

from farmgate.contracts import store
from farmgate.contracts.steps import Actor, Steps, View
from farmgate.contracts.store import Filter
from farmgate.contracts.values import ContractEvent
from farmgate.db.engine import Database


class Reading:
    """Reads contracts.

    Args:
        database: Where they are kept.
        steps: Knows who may see them.
    """

    def __init__(self, database: Database, steps: Steps) -> None:
        self._database = database
        self._steps = steps

    async def get(self, actor: Actor, contract_id: str) -> View:
        """Returns a contract.

        Raises:
            DomainError: NOT_A_PARTY.
        """
        return await self._database.read(
            lambda tx: self._steps.view(tx, self._steps.found(tx, contract_id, actor))
        )

    async def page(self, wanted: Filter, *, before: str, limit: int) -> list[View]:
        """Returns contracts, newest first."""

        def read(connection: Connection) -> list[View]:
            found = store.page(connection, wanted, before=before, limit=limit)
            return [self._steps.view(connection, one) for one in found]

        return await self._database.read(read)

    async def history(
        self, actor: Actor, contract_id: str, *, after: int, limit: int
    ) -> list[ContractEvent]:
        """Returns what happened to a contract, oldest first.

        Raises:
            DomainError: NOT_A_PARTY.
        """

        def read(connection: Connection) -> list[ContractEvent]:
            self._steps.found(connection, contract_id, actor)
            return store.events_of(connection, contract_id, after=after, limit=limit)

        return await self._database.read(read)

    async def place(self, event_id: str) -> int:
        """Returns the sequence to go on after: of an event, or of the newest one."""
        return await self._database.read(
            lambda tx: store.sequence_at(tx, event_id) if event_id else store.last_sequence(tx)
        )

    async def after(
        self, user_id: str, contract_ids: Collection[str], *, after: int, limit: int
    ) -> list[tuple[ContractEvent, View]]:
        """Returns what happened to a party's contracts after a sequence, oldest first."""

        def read(connection: Connection) -> list[tuple[ContractEvent, View]]:
            events = store.events_after(connection, user_id, contract_ids, after=after, limit=limit)
            views = {}
            for event in events:
                contract = store.contract(connection, event.contract_id)
                assert contract is not None, "Contracts are kept."
                views[event.contract_id] = self._steps.view(connection, contract)
            return [(event, views[event.contract_id]) for event in events]

        return await self._database.read(read)
