"""Settings that admins change while the exchange runs; every version of them is kept."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Column, Connection, Integer, Row, String, Table, Text, func, insert, select

from farmgate.db.schema import Ulid, UtcTime, metadata
from farmgate.db.settings_catalogue import KEYS

system_config: Final = Table(
    "system_config",
    metadata,
    Column("key", String(100), primary_key=True),
    # From 1; the default is version 0.
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("value", Text, nullable=False),
    Column("effective_at", UtcTime, nullable=False),
    Column("changed_by", Ulid, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("reason", String(500), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a key's value; version 0 is the default, which nobody set."""

    key: str
    version: int
    value: str
    effective_at: datetime | None = None
    changed_by: str = ""
    changed_at: datetime | None = None
    reason: str = ""


class Values:
    """The values of all keys at one moment.

    Args:
        versions: The version of each key that holds.
    """

    def __init__(self, versions: dict[str, Version]) -> None:
        self._versions = versions

    def version(self, key: str) -> Version:
        """Returns the version of a key that holds."""
        return self._versions[key]

    def texts(self) -> dict[str, str]:
        """Returns the values as text."""
        return {key: version.value for key, version in self._versions.items()}

    def flag(self, key: str) -> bool:
        """Returns a truth value."""
        return self._versions[key].value == "true"

    def integer(self, key: str) -> int:
        """Returns a whole number."""
        return int(self._versions[key].value)

    def decimal(self, key: str) -> Decimal:
        """Returns a decimal."""
        return Decimal(self._versions[key].value)


def current(connection: Connection, now: datetime) -> Values:
    """Returns the values that hold now."""
    table = system_config.c
    newest = (
        select(table.key, func.max(table.version).label("version"))
        .where(table.effective_at <= now)
        .group_by(table.key)
        .subquery()
    )
    rows = connection.execute(
        select(system_config).join(
            newest, (table.key == newest.c.key) & (table.version == newest.c.version)
        )
    )
    found = {key: Version(key, 0, row.default) for key, row in KEYS.items()}
    found |= {row.key: _version(row) for row in rows if row.key in KEYS}
    return Values(found)


def history(connection: Connection, key: str, *, before: int | None, limit: int) -> list[Version]:
    """Returns the versions of a key, newest first, without the default."""
    table = system_config.c
    query = select(system_config).where(table.key == key)
    if before is not None:
        query = query.where(table.version < before)
    rows = connection.execute(query.order_by(table.version.desc()).limit(limit))
    return [_version(row) for row in rows]


def _version(row: Row[Any]) -> Version:
    return Version(**{name: getattr(row, name) for name in Version.__slots__})


def add(connection: Connection, version: Version) -> None:
    """Stores a version of a key."""
    values = {name: getattr(version, name) for name in Version.__slots__}
    connection.execute(insert(system_config).values(**values))
