"""The real use cases of contracts on one connection that can go back, for models of them.

Nothing is committed: a savepoint is a place to come back to. The core is a ledger in a dictionary,
the chain is told what it did.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data
from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import Connection, create_engine, event

from farmgate.api.contracts.v1 import contract_terms_pb2, delivery_types_pb2
from farmgate.app.parts import contract_logic
from farmgate.blockchain import store as chain_store
from farmgate.blockchain.facade import ChainOperations, ContractWallets, Kind, Library, State
from farmgate.contracts import matter_store, money, store
from farmgate.contracts.money import Mover
from farmgate.contracts.negotiation import NewContract
from farmgate.contracts.signing import EOA, Signed
from farmgate.contracts.steps import Actor, Steps
from farmgate.contracts.values import BUYER, SELLER, Contract
from farmgate.db.schema import metadata
from farmgate.errors import DomainError
from farmgate.market import catalogue
from farmgate.market import store as market_store
from farmgate.ports.clock import FakeClock
from farmgate.ports.content import ContentFolder
from farmgate.ports.ids import UlidSource
from farmgate.users.facade import NewUser, Users
from farmgate.users.tables import users

KEYS = {SELLER: Account.from_key("0x" + "22" * 32), BUYER: Account.from_key("0x" + "11" * 32)}
START = datetime(2026, 6, 1, 12, tzinfo=UTC)
OPERATOR = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"
FUNDS_MINOR = 1_000_000 * 10_000


class Recorder:
    """Takes what a use case records, as it is."""

    reply: Any = None

    def record(self, connection: Connection, result: Any, **about: Any) -> None:
        del connection, about
        self.reply = result


class Rewindable:
    """A database that is one connection, and one transaction that never ends."""

    def __init__(self) -> None:
        engine = self.engine = create_engine("sqlite://")

        @event.listens_for(engine, "connect")
        def connected(raw: Any, _record: Any) -> None:
            raw.isolation_level = None

        @event.listens_for(engine, "begin")
        def begun(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN")

        self.connection = engine.connect()
        self.connection.begin()
        metadata.create_all(self.connection)

    async def read(self, work: Callable[[Connection], Any]) -> Any:
        return work(self.connection)

    async def write(self, work: Callable[[Connection], Any]) -> Any:
        with self.connection.begin_nested():
            return work(self.connection)


@dataclass
class Ledger:
    """The core, as far as contracts move money: balances that do not fall below nothing."""

    balances: dict[int, int] = field(default_factory=dict)
    keys: dict[bytes, int] = field(default_factory=dict)
    own: list[bytes] = field(default_factory=list)
    restricted: set[int] = field(default_factory=set)

    def assets(self) -> list[str]:
        return ["USD"]

    async def transfer(self, account: int, asset: int, amount_minor: int, key: bytes) -> None:
        assert asset == 1
        if key in self.keys:
            assert self.keys[key] == amount_minor, "A key stands for one movement."
            return
        found = self.balances.get(account, 0) + amount_minor
        if found < 0:
            raise DomainError("INSUFFICIENT_FUNDS", asset="USD", needed=-amount_minor, available=0)
        self.balances[account] = found
        self.keys[key] = amount_minor

    async def open_account(self, account_id: bytes, **about: Any) -> int:
        del about
        if account_id not in self.own:
            self.own.append(account_id)
        return 1_000 + self.own.index(account_id)

    async def set_switch(self, account: int, switch: int, *, is_on: bool) -> None:
        del switch
        (self.restricted.add if is_on else self.restricted.discard)(account)


@dataclass
class Market:
    """Prices that tests say; of every day the same."""

    series: str = ""
    goods: str = ""
    window: list[str] = field(default_factory=list)

    def last(self, connection: Connection, terms: Any) -> Any:
        del connection, terms
        return Decimal(self.series) if self.series else None

    def on(self, connection: Connection, terms: Any, day: Any) -> Any:
        del day
        return self.last(connection, terms)

    def between(self, connection: Connection, terms: Any, start: Any, end: Any) -> Any:
        del connection, terms, start, end
        return [Decimal(one) for one in self.window]

    def cash(self, connection: Connection, terms: Any, day: Any = None) -> Any:
        del connection, terms, day
        return Decimal(self.goods) if self.goods else None

    def usual(self, connection: Connection, terms: Any, day: Any) -> Any:
        del day
        return self.last(connection, terms)


class World:
    """Two parties, an admin, an inspector, and one contract between them.

    Args:
        folder: Where content is kept.
        terms: What the contract is about.
    """

    def __init__(self, folder: Path, terms: contract_terms_pb2.ContractTerms) -> None:
        self.loop = asyncio.new_event_loop()
        self.database = Rewindable()
        self.clock = FakeClock(START)
        self.ids = UlidSource(self.clock)
        self.ledger = Ledger()
        self.market = Market("4.6125", "4.6125")
        self.terms = terms
        operations = ChainOperations(
            self.clock, self.ids, chain_id=31337, operator=OPERATOR, is_simulated=True
        )
        library = Library(
            ContentFolder(folder), self.clock, self.ids, key=b"k" * 32, has_network=False
        )
        database: Any = self.database
        wallets = ContractWallets(_no_chain, OPERATOR, is_enabled=False)
        self.logic = contract_logic.contract_logic(
            database,
            Steps(Users(), self.clock, self.ids),
            operations,
            wallets,
            library,
            self.market,
        )
        operations.listen(self.logic.performance.on_chain)
        ledger: Any = self.ledger
        self.mover = Mover(database, self.logic.steps, ledger, self.logic.performance.on_transfer)
        self.people = {
            name: self._person(name, role, KEYS.get(side))
            for name, role, side in (
                ("seller", "FARMER", SELLER), ("buyer", "TRADER", BUYER), ("admin", "ADMIN", 0),
                ("inspector", "INSPECTOR", 0), ("second", "INSPECTOR", 0),
            )
        }  # fmt: skip
        market_store.add(self.connection, catalogue.commodity_rows(), [])
        self.contract_id = ""

    def close(self) -> None:
        self.loop.close()
        self.database.connection.close()
        self.database.engine.dispose()

    @property
    def connection(self) -> Connection:
        return self.database.connection

    def actor(self, name: str) -> Actor:
        return Actor(self.people[name], reaches_all=name == "admin")

    def contract(self) -> Contract:
        found = store.contract(self.connection, self.contract_id)
        assert found is not None
        return found

    def do(self, made: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(made)

    def call(self, use: Callable[..., Coroutine[Any, Any, Any]], *given: Any, **named: Any) -> Any:
        """Calls a use case with an effect that keeps its result."""
        recorder = Recorder()
        self.do(use(*given, effect=recorder, **named))
        return recorder.reply

    @contextmanager
    def rewinding(self) -> Iterator[None]:
        """Goes back to how all was, afterwards."""
        with self.keeping():
            yield

    def _state(self) -> tuple[Any, ...]:
        return (
            dict(self.ledger.balances), dict(self.ledger.keys), set(self.ledger.restricted),
            self.clock.now(), self.contract_id,
        )  # fmt: skip

    def _restore(self, kept: tuple[Any, ...]) -> None:
        self.ledger.balances, self.ledger.keys, self.ledger.restricted = kept[:3]
        self.clock._now = kept[3]  # Clocks do not run backwards but here.
        self.contract_id = kept[4]

    @contextmanager
    def keeping(self) -> Iterator[Callable[[], None]]:
        """Goes back afterwards unless what it gives is called."""
        wanted: list[bool] = []
        kept = self._state()
        point = self.connection.begin_nested()
        try:
            yield lambda: wanted.append(True)
        finally:
            if wanted:
                point.commit()
            else:
                point.rollback()
                self._restore(kept)

    def draft(self) -> None:
        new = NewContract(SELLER, self.people["buyer"], "", "", self.terms)
        view = self.call(self.logic.negotiation.create, self.actor("seller"), new)
        self.contract_id = view.contract.id

    def sign(self, side: int, contract_id: str = "") -> None:
        name = "seller" if side == SELLER else "buyer"
        name_of = contract_id or self.contract_id
        payload = self.do(self.logic.signing.payload(self.actor(name), name_of))
        self.call(
            self.logic.signing.sign, self.actor(name), name_of,
            Signed(payload.contract.version, payload.digest, signed(side, payload.typed_data), EOA),
        )  # fmt: skip

    def tick(self) -> None:
        """Lets the contract and its money go on until nothing moves."""
        for _ in range(6):
            before = self.ledger.balances.copy(), self.contract().revision
            self.do(self.logic.performance.run())
            self.do(self.mover.run())
            if before == (self.ledger.balances, self.contract().revision):
                return

    def chain(self, state: State) -> None:
        """Tells that the chain did something with the newest version."""
        contract = self.contract()
        kind = Kind.REGISTER if contract.version == self.registered() else Kind.AMEND
        found = chain_store.operation_by_name(self.connection, kind, contract.id, contract.version)
        if found is None:
            raise DomainError("NOT_FOUND", resource="operation", id=contract.id)
        self.logic.performance.on_chain(self.connection, replace(found, state=state))

    def registered(self) -> int:
        found = chain_store.newest_operation(self.connection, Kind.REGISTER, self.contract_id)
        return 0 if found is None else found.version

    def deliver(self, gross: str, tare: str = "26100", **quality: str) -> None:
        """Brings a load to the contract, which the buyer accepts."""
        self.call(
            self.logic.deliveries.accept, self.actor("buyer"), self.weighed(gross, tare, **quality),
            takes_discount=True, expected=0,
        )  # fmt: skip

    def weighed(self, gross: str, tare: str = "26100", **quality: str) -> str:
        loads = self.logic.deliveries
        day = self.clock.now().date().isoformat()
        given = delivery_types_pb2.Delivery(expected_date=day, expected_quantity="900")
        load = self.call(loads.schedule, self.actor("seller"), self.contract_id, given)
        inspector = self.actor("inspector")
        self.call(loads.weigh_in, inspector, load.id, gross, "lb", "", 0)
        readings = [
            delivery_types_pb2.QualityReading(parameter=name, value=value)
            for name, value in (quality or {"MOISTURE": "14.8"}).items()
        ]
        self.call(loads.grade, inspector, load.id, readings, (), 0)
        self.call(loads.weigh_out, inspector, load.id, tare, 0)
        return str(load.id)

    def matters(self) -> dict[str, str]:
        """Returns the states of what is open, by kind."""
        found = matter_store.open_matters(self.connection, self.contract_id)
        return {one.kind: one.state for one in found}

    def matter(self, kind: str) -> str:
        """Returns the ID of what is open of a kind."""
        found = matter_store.open_matters(self.connection, self.contract_id)
        return next(one.id for one in found if one.kind == kind)

    def total(self) -> int:
        """Returns all money, that of transfers on their way included."""
        taken = [
            one.amount_minor for one in store.transfers_of(self.connection, self.contract_id)
            if one.state == "TAKEN"
        ]  # fmt: skip
        return sum(self.ledger.balances.values()) + sum(taken)

    def _person(self, name: str, role: str, key: Any) -> str:
        user_id, account_id = self.ids.ulid(), self.ids.ulid()
        new = NewUser(
            email=f"{name}@example.org", display_name=name, role=role, country="US", locale="en",
            timezone="UTC", is_verified=True,
        )  # fmt: skip
        user = Users().add(self.connection, new, user_id=user_id, account_id=account_id, now=START)
        wallet = None if key is None else key.address
        self.connection.execute(
            users.update().where(users.c.id == user_id).values(kyc_level=3, wallet_address=wallet)
        )
        if user.account_id is not None:
            number = len(self.ledger.balances) + 1
            Users.number_account(self.connection, user.account_id, number)
            self.ledger.balances[number] = FUNDS_MINOR
        return user_id


def signed(side: int, typed: str) -> str:
    message = encode_typed_data(full_message=json.loads(typed))
    return "0x" + KEYS[side].sign_message(message).signature.hex().removeprefix("0x")


def terms(**price: str) -> contract_terms_pb2.ContractTerms:
    """Returns the terms of 1,900 bushels of corn; FIXED unless it is said."""
    stated = contract_terms_pb2.ContractTerms(
        commodity_code="CORN", grade_code="US-2-YELLOW", quantity="1900", unit="bu",
        tolerance_pct="2", rules=contract_terms_pb2.CONTRACT_RULES_NGFA,
    )  # fmt: skip
    stated.delivery.start, stated.delivery.end = "2026-06-01", "2026-07-31"
    stated.delivery.location_code = "CHI"
    stated.delivery.incoterm = contract_terms_pb2.INCOTERM_DAP
    stated.force_majeure.is_enabled = True
    stated.price.currency = "USD"
    for name, value in (price or {"fixed_price": "4.6125"}).items():
        setattr(stated.price, name, value)
    stated.price.type = stated.price.type or contract_terms_pb2.PRICE_TYPE_FIXED
    return stated


def mask(*paths: str) -> FieldMask:
    return FieldMask(paths=paths)


def later(**about: float) -> datetime:
    return START + timedelta(**about)


def held(world: World) -> int:
    """Returns what the exchange holds for contracts."""
    return sum(
        amount for account, amount in world.ledger.balances.items()
        if account >= 1_000 and world.ledger.own[account - 1_000] == money._OWN_IDS[money.ESCROW]
    )  # fmt: skip


def _no_chain() -> Any:
    raise AssertionError("There is no chain here.")
