"""A server with a real core, one market, and history that follows it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Connection, update

from farmgate.api.trading.v1 import trading_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.api.users.v1 import users_pb2
from farmgate.app import wire
from farmgate.app.parts import accounts, admin, auth, core, statements, trading, users
from farmgate.app.parts.base import Base, Part
from farmgate.app.settings import Settings
from farmgate.ports.clock import Clock
from farmgate.trading.facade import Projector
from farmgate.trading.funds import Funds
from farmgate.users.receipt_logic import Receipts
from farmgate.users.tables import users as user_table
from service.trading.market import RULES, SYMBOL
from support import Api, SignedIn, running

CORN = "CORN.US2Y.CHI"
FORWARD = "CORN-US2Y-CHI-Z26"
MINOR_PER_BU = 1_000


class Hall:
    """The server, its core, and people who trade in it."""

    def __init__(self, api: Api, **parts: Any) -> None:
        self.api = api
        self.matching = parts["matching"]
        self.levels = parts["levels"]
        self.funds = parts["funds"]
        self.receipts = parts["receipts"]
        self.history = parts["database"]
        self.bound = parts["bound"]

    async def person(self, level: int = 2, role: int = types_pb2.ROLE_FARMER) -> SignedIn:
        """Registers somebody of a level."""
        person = await self.api.person(role=role)
        if level != 1:
            await self.set_user(person, kyc_level=level)
            await self.levels.run()
        return await self.again(person)

    async def set_user(self, person: SignedIn, **values: Any) -> None:
        """Changes somebody's row."""
        statement = update(user_table).where(user_table.c.id == person.user.user_id)
        await self.api.application.base.database.write(
            lambda tx: tx.execute(statement.values(**values))
        )

    async def again(self, person: SignedIn) -> SignedIn:
        """Signs somebody in again, who then has what the row says."""
        tokens = await self.api.log_in(person.user.email)
        return SignedIn(tokens.user, tokens)

    async def with_role(self, role: str) -> SignedIn:
        """Registers somebody who then gets a role."""
        person = await self.api.person()
        await self.set_user(person, role=role)
        return await self.again(person)

    async def number(self, person: SignedIn) -> int:
        """Returns the number of somebody's account."""
        user_id = person.user.user_id
        base = self.api.application.base
        user = await base.database.read(lambda tx: base.users.by_id(tx, user_id))
        assert user is not None
        assert user.account_number is not None
        return user.account_number

    async def fund(self, person: SignedIn, asset: str, minor: int, key: str = "start") -> None:
        """Gives somebody an amount from outside."""
        number = self.matching.assets().index(asset) + 1
        await self.matching.transfer(await self.number(person), number, minor, key.encode())

    async def order(
        self,
        person: SignedIn,
        side: int,
        lots: int,
        price: str = "4.5000",
        symbol: str = SYMBOL,
        **given: Any,
    ) -> Any:
        """Enters a limit order."""
        request = trading_pb2.CreateOrderRequest(
            symbol=symbol, side=side, type=trading_pb2.ORDER_TYPE_LIMIT, quantity_lots=lots,
            time_in_force=trading_pb2.TIME_IN_FORCE_GTC, price=price, **given,
        )  # fmt: skip
        return await self.api.trading.CreateOrder(request, metadata=person.metadata)

    async def balance(self, person: SignedIn, asset: str) -> tuple[str, str]:
        """Returns total and held of an asset."""
        await self.matching.caught_up()
        reply = await self.api.wallet.GetBalances(
            users_pb2.GetBalancesRequest(), metadata=person.metadata
        )
        return next(
            ((one.total, one.held) for one in reply.balances if one.asset == asset), ("0", "0")
        )


def _unit_of(_connection: Connection, commodity: str) -> str:
    return "bu" if commodity == "CORN" else ""


@asynccontextmanager
async def opened(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Hall]:
    """Runs a hall for the length of a block."""
    # Users with an open contract, once for each.
    bound: list[str] = []
    found: dict[str, Any] = {"bound": bound}

    def parts(base: Base) -> Sequence[Part]:
        matching = core.open_matching(base.settings)
        people = users.open_users(base)
        levels = trading.open_levels(base, matching, people.kyc)
        history, database = trading.open_history(base)
        clock, ids = base.clock, base.ids
        funds = Funds(base.database, matching, clock, ids, people.kyc.allowances)
        receipts = Receipts(base.database, matching, clock, ids, _unit_of)
        found.update(matching=matching, levels=levels, funds=funds, receipts=receipts)
        found.update(database=database)
        return [
            core.part(matching),
            users.part(base, people),
            auth.part(base, levels, people.wallets),
            trading.part(base, matching, history, database, people),
            users.goods(base, matching, _unit_of),
            statements.part(base, matching, history, people.members, lambda _tx, _user: 0),
            admin.part(base, matching, history, [], levels.run),
            accounts.part(base, matching, database, lambda _tx, user_id: bound.count(user_id)),
        ]

    async with running(wire.build(settings, clock=clock, parts=parts)) as api:
        matching = found["matching"]
        for code in ("USD", CORN):
            await matching.register_asset(code)
        await matching.define_instrument(RULES)
        forward: Any = RULES | {"symbol": FORWARD, "kind": 2, "deposit_bps": 1_000}
        await matching.define_instrument(forward)
        stopping = asyncio.Event()
        projector = Projector(found["database"], settings.journal_dir)
        following = asyncio.create_task(asyncio.to_thread(projector.run, stopping.is_set))
        try:
            yield Hall(api, **found)
        finally:
            stopping.set()
            await following
