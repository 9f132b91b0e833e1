"""What tables know of a user: what of it the user is told, and what becomes of it on leaving.

The list itself is in app/personal_data.py, one row a table, so that the question "what do you keep
of me" has one answer.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, delete, select, update

# Of one table, the newest are told: an archive is made in memory.
ROWS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom data is about.

    Attributes:
        user_id: ULID of the user.
        email: Address, by which some tables know people who had no user yet.
        account_id: ULID of the trading account, "" for none.
        account: Number of the account in the core, -1 for none.
        now: The time.
    """

    user_id: str
    email: str
    account_id: str
    account: int
    now: datetime


class Fate(Enum):
    """What becomes of rows whose user leaves."""

    KEPT = "kept"
    BLANKED = "blanked"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Personal:
    """What one table knows of users.

    Attributes:
        table: The table.
        of: Which rows are about somebody.
        fate: What becomes of them.
        blank: For BLANKED, the columns that hold personal data, with what stands there afterwards,
            or with what tells it of the subject.
        why: For rows that stay, why they may.
        secrets: Columns that are not told: keys, hashes of passwords, what is encrypted.
        is_told: Whether the user is told the rows at all; what is about others too is not.
    """

    table: Table
    of: Callable[[Subject], ColumnElement[bool]]
    fate: Fate
    blank: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""
    secrets: frozenset[str] = frozenset()
    is_told: bool = True

    def __post_init__(self) -> None:
        """Checks what is declared."""
        assert (self.fate is Fate.BLANKED) == bool(self.blank)
        assert bool(self.why) == (self.fate is not Fate.DELETED)
        assert {*self.blank, *self.secrets} <= {column.name for column in self.table.columns}


def told(connection: Connection, one: Personal, subject: Subject) -> list[dict[str, Any]]:
    """Returns the rows of a table that are about somebody, without secrets, the newest if many."""
    columns = [column for column in one.table.columns if column.name not in one.secrets]
    keys = [column.desc() for column in one.table.primary_key]
    query = select(*columns).where(one.of(subject)).order_by(*keys).limit(ROWS_MAX)
    return [
        {name: _plain(value) for name, value in row._mapping.items()}  # noqa: SLF001 - SQLAlchemy names its public mapping so.
        for row in connection.execute(query)
    ]


def erase(connection: Connection, listed: Sequence[Personal], subject: Subject) -> None:
    """Deletes and blanks what is about somebody, in the order of the list."""
    for one in listed:
        if one.fate is Fate.DELETED:
            connection.execute(delete(one.table).where(one.of(subject)))
        elif one.fate is Fate.BLANKED:
            values = {
                name: value(subject) if callable(value) else value
                for name, value in one.blank.items()
            }
            connection.execute(update(one.table).where(one.of(subject)).values(**values))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, datetime) else value
