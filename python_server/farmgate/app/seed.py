"""Fills an empty exchange with the demonstration: instruments, people, money, a book."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from farmgate.api.market.v1 import market_pb2
from farmgate.api.trading.v1 import trading_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.auth.facade import Passwords
from farmgate.auth.tables import credentials
from farmgate.db.engine import Database
from farmgate.market import catalogue, store
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids, ulid_bytes
from farmgate.ports.matching import Matching
from farmgate.telemetry.logs import logger
from farmgate.trading.facade import TradingAccounts
from farmgate.users.facade import NewUser, Users
from farmgate.users.tables import users

PASSWORD: Final = "Demo-Pass-2026!"  # noqa: S105 - Printed by `farmgate up`; refused in production.
DOMAIN: Final = "farmgate.example"
_CASH_MINOR: Final = 1_000_000 * 10_000
_COMMODITY_MINOR: Final = 60_000 * 1_000
_BOOK_LEVELS: Final = 10
_BOOK_LOTS: Final = 20
_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the demonstration."""

    name: str
    display_name: str
    role: str
    kyc_level: int
    country: str = "US"


PEOPLE: Final = (
    Person("admin", "Ada Admin", "ADMIN", 3),
    Person("auditor", "Omar Auditor", "AUDITOR", 3),
    Person("inspector.chi", "Ines Chicago", "INSPECTOR", 2),
    Person("inspector.rou", "Rene Rouen", "INSPECTOR", 2, "FR"),
    Person("farmer.amara", "Amara Bello", "FARMER", 2, "NG"),
    Person("farmer.jan", "Jan de Vries", "FARMER", 2),
    Person("farmer.lea", "Lea Martin", "FARMER", 1, "FR"),
    Person("coop.heartland", "Heartland Co-op", "COOP_MANAGER", 3),
    Person("trader.meridian", "Meridian Grain Trading", "TRADER", 3),
    Person("trader.riverside", "Riverside Trading", "TRADER", 2),
    Person("mill.nord", "Nord Mills", "TRADER", 3, "DE"),
    Person("newuser", "Nia Newcomer", "FARMER", 0),
)
# They stand on both sides of the book from the start.
_MAKERS: Final = ("mill.nord", "trader.riverside")


class Seed:
    """Seeds at the start, once: an exchange that has instruments is left alone.

    Args:
        database: Where people and descriptions are kept.
        matching: The core.
        users: People.
        ids: Makes identifiers.
        clock: Tells the time.
    """

    def __init__(
        self, database: Database, matching: Matching, users: Users, ids: Ids, clock: Clock
    ) -> None:
        self._database = database
        self._matching = matching
        self._users = users
        self._ids = ids
        self._clock = clock

    async def start(self) -> None:
        """Seeds when there is nothing yet. A start that broke off is completed."""
        if await self._database.read(store.has_instruments):
            return
        listings = catalogue.listings(self._clock.now().date())
        pairs = {(entry.base_asset, entry.quote_asset) for entry in listings}
        codes = sorted({code for pair in pairs for code in pair})
        assets = {code: await self._matching.register_asset(code) for code in codes}
        numbers = {
            entry.rules["symbol"]: await self._matching.define_instrument(entry.with_assets(assets))
            for entry in listings
        }
        accounts = await self._people(assets)
        for entry in listings:
            if entry.rules["kind"] == market_pb2.INSTRUMENT_KIND_SPOT:
                await self._book(numbers[entry.rules["symbol"]], entry, accounts)
        await self._database.write(
            lambda tx: store.add(
                tx, catalogue.commodity_rows(), [entry.description for entry in listings]
            )
        )
        _log.info("demonstration seeded", instruments=len(listings), people=len(PEOPLE))

    async def stop(self) -> None:
        """Does nothing: seeding ends with the start."""

    async def _people(self, assets: dict[str, int]) -> dict[str, int]:
        """Adds those who are missing; returns the numbers of their accounts."""
        passwords = Passwords()
        await passwords.start()
        trading = TradingAccounts(self._matching)
        numbers: dict[str, int] = {}
        for person in PEOPLE:
            password_hash = await passwords.hash(PASSWORD)
            account_id = await self._database.write(self._adding(person, password_hash))
            if account_id is None:
                continue
            number = await trading.open_account(ulid_bytes(account_id))
            numbers[person.name] = number
            await self._database.write(self._numbering(account_id, number))
            if person.kyc_level:
                await self._fund(number, assets)
        await passwords.stop()
        return numbers

    def _adding(self, person: Person, password_hash: str) -> Callable[[Connection], str | None]:
        """Returns the work that adds somebody and gives the account's ID."""
        email = f"{person.name}@{DOMAIN}"
        new = self._users.checked(
            NewUser(
                email=email,
                display_name=person.display_name,
                role=person.role,
                country=person.country,
                locale="en",
                timezone="UTC",
                is_verified=True,
            )
        )
        user_id, account_id, now = self._ids.ulid(), self._ids.ulid(), self._clock.now()

        def add(transaction: Connection) -> str | None:
            known = self._users.by_email(transaction, email)
            if known:
                return known.account_id
            user = self._users.add(
                transaction, new, user_id=user_id, account_id=account_id, now=now
            )
            transaction.execute(
                credentials.insert().values(
                    user_id=user_id, password_hash=password_hash, failed_count=0, changed_at=now
                )
            )
            level = users.update().where(users.c.id == user_id)
            transaction.execute(level.values(kyc_level=person.kyc_level))
            return user.account_id

        return add

    def _numbering(self, account_id: str, number: int) -> Callable[[Connection], None]:
        return lambda tx: self._users.number_account(tx, account_id, number)

    async def _fund(self, account: int, assets: dict[str, int]) -> None:
        for code, asset in assets.items():
            amount = _COMMODITY_MINOR if "." in code else _CASH_MINOR
            await self._matching.transfer(account, asset, amount, f"seed-{code}".encode())

    async def _book(
        self, instrument: int, entry: catalogue.Listing, accounts: dict[str, int]
    ) -> None:
        """Puts ten levels on each side around the start price."""
        rules = entry.rules
        middle = (rules["limit_low"] + rules["limit_high"]) // 2
        for maker, side in zip(_MAKERS, (types_pb2.SIDE_SELL, types_pb2.SIDE_BUY), strict=True):
            away = 1 if side == types_pb2.SIDE_SELL else -1
            symbol = rules["symbol"]
            request = trading_pb2.BatchCreateOrdersRequest(request_id=f"seed-{symbol}"[:36])
            for step in range(1, _BOOK_LEVELS + 1):
                request.orders.add(
                    instrument_id=instrument,
                    side=side,
                    type=trading_pb2.ORDER_TYPE_LIMIT,
                    time_in_force=trading_pb2.TIME_IN_FORCE_GTC,
                    price_ticks=middle + away * step,
                    quantity_lots=_BOOK_LOTS,
                )
            await self._matching.batch_create_orders(accounts[maker], request.SerializeToString())
