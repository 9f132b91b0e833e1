"""A server with people and the chain, and stubs of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from sqlalchemy import update

from chains import BUYER, SELLER, sign
from farmgate.api.blockchain.v1 import (
    blockchain_pb2_grpc,
    chain_events_pb2,
    chain_events_pb2_grpc,
    content_pb2_grpc,
)
from farmgate.app import wire
from farmgate.app.parts import auth, blockchain
from farmgate.app.parts import users as users_part
from farmgate.app.settings import Settings
from farmgate.blockchain import store
from farmgate.blockchain.facade import (
    ForwardContract,
    Kind,
    Operation,
    State,
    registration,
)
from farmgate.ports.clock import FakeClock
from farmgate.users.tables import users
from support import Api, FakeAccounts, SignedIn, running

TIMEOUT_S = 20.0


@dataclass
class ChainApi:
    """The server's chain over its API, and from below."""

    api: Api
    opened: blockchain.Opened
    _people: dict[str, SignedIn] = field(default_factory=dict)

    def __post_init__(self) -> None:
        channel = self.api.channel
        self.chain: Any = blockchain_pb2_grpc.BlockchainServiceStub(channel)
        self.content: Any = content_pb2_grpc.ContentServiceStub(channel)
        self.events: Any = chain_events_pb2_grpc.ChainEventServiceStub(channel)
        self._moved = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.opened.operations.listen(
            lambda _tx, _operation: loop.call_soon_threadsafe(self._moved.set)
        )

    async def reaches(self, kind: Kind, state: State, *, version: int = 1) -> Operation:
        """Waits until an operation of a kind is in a state; returns the newest."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                self._moved.clear()
                # A write waits for the transaction in which the step was told.
                found = await self.database.write(
                    lambda tx: store.page_of_operations(
                        tx, user_id=None, kind=kind, states={state}, reference="", before=None,
                        limit=9,
                    )
                )  # fmt: skip
                for operation in found:
                    if operation.version == version:
                        return operation
                await self._moved.wait()

    @property
    def database(self) -> Any:
        return self.api.application.base.database

    async def person(self, role: str = "FARMER", name: str = "") -> SignedIn:
        """Returns somebody of a role, signed in; the same name is the same person."""
        key = name or role
        if key not in self._people:
            person = await self.api.person()
            if role != "FARMER":
                await self.database.write(
                    lambda tx: tx.execute(
                        update(users).where(users.c.id == person.user.user_id).values(role=role)
                    )
                )
                tokens = await self.api.log_in(person.user.email)
                person = SignedIn(person.user, tokens)
            self._people[key] = person
        return self._people[key]

    async def register(self, *user_ids: str, **given: Any) -> Operation:
        """Queues the registration of a contract, as the contracts' module does."""
        ids = self.api.application.base.ids
        operations = self.opened.operations
        contract = ForwardContract(
            **{
                "contract_id": ids.ulid(),
                "version": 1,
                "seller": SELLER.address,
                "buyer": BUYER.address,
                "commodity": "CORN US-2-YELLOW",
                "quantity": "5000 bu",
                "price": "4.6125 USD/bu",
                "delivery_start": 1796083200,
                "delivery_end": 1798761599,
                "terms_hash": bytes(range(32)),
                "terms_cid": "",
                "sign_by": 1795651200,
                **given,
            }
        )

        def queue(connection: Any) -> Operation:
            domain = operations.signing_domain(connection)
            payload = registration(
                domain,
                contract,
                seller_signature=sign(SELLER, domain, contract),
                buyer_signature=sign(BUYER, domain, contract),
            )
            return operations.request(
                connection, payload, reference=contract.contract_id, user_ids=user_ids
            )

        return await self.database.write(queue)

    def watch(self, person: SignedIn, **given: Any) -> Any:
        request = chain_events_pb2.WatchChainEventsRequest(**given)
        return self.events.WatchChainEvents(request, metadata=person.metadata, timeout=TIMEOUT_S)

    async def confirmed(self, operation: Operation, name: str = "Registered") -> Any:
        """Waits until the chain confirmed what an operation brought about."""
        person = await self.person()
        stream = self.watch(person, names=[name], reference=operation.reference, from_block=1)
        async for step in stream:
            if step.event.is_confirmed:
                stream.cancel()
                return step.event
        raise AssertionError("The stream ended.")


@asynccontextmanager
async def chain_api(settings: Settings) -> AsyncIterator[ChainApi]:
    """Runs a server of people and the chain."""
    made: list[blockchain.Opened] = []

    def parts(base: Any) -> Any:
        made.append(blockchain.open_chain(base))
        return [
            users_part.part(base),
            auth.part(base, FakeAccounts()),
            blockchain.part(base, made[0]),
        ]

    with patch.multiple(blockchain, _FIRST_S=0.02, _IDLE_S=0.1, _BUSY_S=0.05, _NODE_S=0.2):
        application = wire.build(settings, clock=FakeClock(), parts=parts)
    async with running(application) as api:
        yield ChainApi(api, made[0])
