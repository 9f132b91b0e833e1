"""The people of the demonstration, and their money."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from farmgate.app.seeding.ground import PASSWORD, Ground, address
from farmgate.auth.facade import Passwords
from farmgate.auth.tables import credentials
from farmgate.ports.ids import ulid_bytes
from farmgate.trading.facade import TradingAccounts
from farmgate.users.facade import NewUser, User
from farmgate.users.tables import accounts, users

_CASH_MINOR: Final = 1_000_000 * 10_000
_COMMODITY_MINOR: Final = 60_000 * 1_000


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
MAKERS: Final = ("mill.nord", "trader.riverside")
# What a book on every instrument ties up is more than a trader of grain has.
_MAKERS_FACTOR: Final = 100


async def plant(ground: Ground) -> None:
    """Adds those who are missing; opens and funds their accounts."""
    trading = TradingAccounts(ground.matching)
    passwords = Passwords()
    await passwords.start()
    try:
        for person in PEOPLE:
            user = await _added(ground, person, passwords)
            if user.account_id is None:
                continue
            number = await trading.open_account(ulid_bytes(user.account_id))
            await ground.base.database.write(_numbering(ground, user.account_id, number))
            if person.kyc_level:
                factor = _MAKERS_FACTOR if person.name in MAKERS else 1
                await _fund(ground, number, factor)
    finally:
        await passwords.stop()


async def _added(ground: Ground, person: Person, passwords: Passwords) -> User:
    base = ground.base
    email = address(person.name)
    known = await base.database.read(lambda tx: base.users.by_email(tx, email))
    if known:
        return known
    new = base.users.checked(
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
    password_hash = await passwords.hash(PASSWORD)
    user_id, account_id, now = base.ids.ulid(), base.ids.ulid(), base.clock.now()

    def add(transaction: Connection) -> User:
        user = base.users.add(transaction, new, user_id=user_id, account_id=account_id, now=now)
        _finish(transaction, user_id, password_hash, person.kyc_level, now)
        if person.name in MAKERS:
            own = accounts.update().where(accounts.c.user_id == user_id)
            transaction.execute(own.values(has_own_limits=True))
        return user

    return await base.database.write(add)


def _finish(
    transaction: Connection, user_id: str, password_hash: str, kyc_level: int, now: datetime
) -> None:
    transaction.execute(
        credentials.insert().values(
            user_id=user_id, password_hash=password_hash, failed_count=0, changed_at=now
        )
    )
    transaction.execute(users.update().where(users.c.id == user_id).values(kyc_level=kyc_level))


def _numbering(ground: Ground, account_id: str, number: int) -> Callable[[Connection], None]:
    return lambda tx: ground.base.users.number_account(tx, account_id, number)


async def _fund(ground: Ground, account: int, factor: int) -> None:
    """Moves money and goods in; the core knows a transfer that it had before."""
    for code, asset in ground.assets().items():
        amount = factor * (_COMMODITY_MINOR if "." in code else _CASH_MINOR)
        await ground.matching.transfer(account, asset, amount, f"seed-{code}".encode())
