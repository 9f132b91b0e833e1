"""Tells of changes to tables once they are committed, whoever made them."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from sqlalchemy import Column, Connection, Engine, Table, event
from sqlalchemy.sql import operators
from sqlalchemy.sql.dml import Insert, UpdateBase
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, BooleanClauseList

# Is given the key of the row that changed; None when it may have been any of them.
Heard = Callable[[str | None], None]
_NOTED: Final = "farmgate_changes"


class Changes:
    """Notes what a transaction writes, and tells it after the commit.

    Args:
        engine: Whose transactions.
    """

    def __init__(self, engine: Engine) -> None:
        self._listeners: dict[Table, list[tuple[Heard, Column[Any] | None]]] = {}
        event.listen(engine, "after_execute", self._note)

    def listen(self, table: Table, heard: Heard, *, key: Column[Any] | None = None) -> None:
        """Hears of changes to a table, on any thread.

        Args:
            table: Which table.
            heard: Is told each change once.
            key: Column that tells rows apart. With it, rows that are new are not told of.
        """
        self._listeners.setdefault(table, []).append((heard, key))

    def committed(self, connection: Connection) -> None:
        """Tells what the transaction that was committed has written."""
        for heard, key in dict.fromkeys(connection.info.pop(_NOTED, ())):
            heard(key)

    def forget(self, connection: Connection) -> None:
        """Drops what a transaction has noted that was not committed."""
        connection.info.pop(_NOTED, None)

    def _note(self, connection: Connection, clause: object, *_: object) -> None:
        if not isinstance(clause, UpdateBase) or not isinstance(clause.table, Table):
            return
        for heard, column in self._listeners.get(clause.table, ()):
            if column is None:
                key = None
            elif isinstance(clause, Insert):
                continue
            else:
                key = _key(clause, column)
            connection.info.setdefault(_NOTED, []).append((heard, key))


def _key(clause: Any, column: Column[Any]) -> str | None:
    """Returns the value a statement's rows have in a column, None when it may be any."""
    for condition in _conditions(clause.whereclause):
        if (
            isinstance(condition, BinaryExpression)
            and condition.left is column
            and condition.operator is operators.eq
            and isinstance(condition.right, BindParameter)
        ):
            return str(condition.right.value)
    return None


def _conditions(where: Any) -> Iterable[Any]:
    if isinstance(where, BooleanClauseList) and where.operator is operators.and_:
        return where.clauses
    return () if where is None else (where,)
