"""Queries of content."""

from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, update

from farmgate.blockchain.tables import chain_operation_users, chain_operations, content_objects


def insert_object(connection: Connection, **values: Any) -> None:
    """Stores what is known of content."""
    connection.execute(insert(content_objects).values(**values))


def object_of(
    connection: Connection, *, owner_id: str, cid: str, visibility: str, contract_id: str
) -> Row[Any] | None:
    """Returns the owner's row of content, or None."""
    table = content_objects.c
    return connection.execute(
        select(content_objects).where(
            table.owner_id == owner_id,
            table.cid == cid,
            table.visibility == visibility,
            table.contract_id == contract_id,
        )
    ).first()


def objects(connection: Connection, cid: str) -> list[Row[Any]]:
    """Returns every row of content, by its identifier or that of its encrypted bytes."""
    table = content_objects.c
    query: Select[Any] = select(content_objects).where(table.cid == cid).order_by(table.id)
    return list(connection.execute(query))


def bytes_of(connection: Connection, owner_id: str) -> int:
    """Returns how many bytes an owner keeps."""
    table = content_objects.c
    total = connection.execute(
        select(func.coalesce(func.sum(table.size_bytes), 0)).where(table.owner_id == owner_id)
    ).scalar()
    return int(total or 0)


def due_pins(connection: Connection, *, limit: int) -> list[str]:
    """Returns identifiers that the network should hold and does not yet."""
    table = content_objects.c
    query = select(table.kept_cid).where(table.is_pin_due).distinct().limit(limit)
    return list(connection.execute(query).scalars())


def set_pinned(connection: Connection, kept_cid: str, pin_state: str, *, is_due: bool) -> None:
    """Stores where content is kept."""
    connection.execute(
        update(content_objects)
        .where(content_objects.c.kept_cid == kept_cid)
        .values(pin_state=pin_state, is_pin_due=is_due)
    )


def concerns(connection: Connection, contract_id: str, user_id: str) -> bool:
    """Returns whether an operation of a contract concerns a user."""
    row = connection.execute(
        select(chain_operations.c.id)
        .join(chain_operation_users, chain_operation_users.c.operation_id == chain_operations.c.id)
        .where(
            chain_operations.c.reference == contract_id,
            chain_operation_users.c.user_id == user_id,
        )
        .limit(1)
    ).first()
    return row is not None
