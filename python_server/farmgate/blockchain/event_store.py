"""Queries of what the registries announced, of blocks, and of the chain's state."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from farmgate.blockchain.tables import chain_blocks, chain_events, chain_state
from farmgate.blockchain.values import Event

SEEN: Final = "SEEN"
CONFIRMED: Final = "CONFIRMED"
REMOVED: Final = "REMOVED"
_STATE_ID: Final = 1


def see(connection: Connection, event: Event) -> None:
    """Tells an event that the chain holds now; one that it held before changes nothing."""
    table = chain_events.c
    is_same = (table.block_hash == event.block_hash) & (table.log_index == event.log_index)
    if not _standing(connection, is_same):
        _tell(connection, event, SEEN)


def events_of(connection: Connection, reference: str) -> list[Event]:
    """Returns what the chain holds of a reference now, in the order of the chain."""
    standing = _standing(connection, chain_events.c.reference == reference)
    return sorted(standing, key=lambda event: (event.block_number, event.log_index))


def events_in(connection: Connection, transaction_hash: str) -> list[Event]:
    """Returns what the chain holds of a transaction now."""
    return _standing(connection, chain_events.c.transaction_hash == transaction_hash)


def events_after(connection: Connection, sequence: int, *, reached: int, limit: int) -> list[Event]:
    """Returns events after a sequence and up to another, in the order they were told."""
    table = chain_events.c
    query = (
        select(chain_events)
        .where(table.sequence > sequence, table.sequence <= reached)
        .order_by(table.sequence)
        .limit(limit)
    )
    return [_event(row) for row in connection.execute(query)]


def sequence_before(connection: Connection, block_number: int, log_index: int) -> int:
    """Returns the sequence after which a stream tells all from a place of the chain on."""
    table = chain_events.c
    first = connection.execute(
        select(func.min(table.sequence)).where(
            or_(
                table.block_number > block_number,
                (table.block_number == block_number) & (table.log_index >= log_index),
            )
        )
    ).scalar()
    return last_sequence(connection) if first is None else int(first) - 1


def last_sequence(connection: Connection) -> int:
    """Returns the sequence of the event told last; 0 before the first."""
    return connection.execute(select(func.max(chain_events.c.sequence))).scalar() or 0


def remove_above(connection: Connection, block_number: int) -> int:
    """Tells that events above a block were taken back; returns how many."""
    removed = _standing(connection, chain_events.c.block_number > block_number)
    for event in sorted(removed, key=lambda one: -one.sequence):
        _tell(connection, event, REMOVED)
    return len(removed)


def confirm_to(connection: Connection, block_number: int) -> None:
    """Tells that events up to a block are deep enough."""
    row = state(connection)
    done = int(row.confirmed_block) if row is not None else -1
    if block_number <= done:
        return
    table = chain_events.c
    deep = (table.block_number > done) & (table.block_number <= block_number)
    for event in _standing(connection, deep, step=SEEN):
        _tell(connection, event, CONFIRMED)
    set_state(connection, confirmed_block=block_number)


def has_unconfirmed(connection: Connection) -> bool:
    """Returns whether the chain holds events that are not deep enough yet."""
    row = state(connection)
    if row is None:
        return False
    return bool(_standing(connection, chain_events.c.block_number > row.confirmed_block))


def blocks(connection: Connection) -> list[tuple[int, str]]:
    """Returns number and hash of the blocks remembered, newest first."""
    query = select(chain_blocks.c.number, chain_blocks.c.hash)
    rows = connection.execute(query.order_by(chain_blocks.c.number.desc()))
    return [(row.number, row.hash) for row in rows]


def put_block(connection: Connection, number: int, block_hash: str, at: datetime) -> None:
    """Remembers a block."""
    connection.execute(delete(chain_blocks).where(chain_blocks.c.number == number))
    connection.execute(insert(chain_blocks).values(number=number, hash=block_hash, at=at))


def forget_blocks(connection: Connection, *, above: int | None = None, below: int = 0) -> None:
    """Forgets blocks above one number or below another."""
    number = chain_blocks.c.number
    is_meant = number < below if above is None else number > above
    connection.execute(delete(chain_blocks).where(is_meant))


def state(connection: Connection) -> Row[Any] | None:
    """Returns the row of the chain's state; None before anybody looked."""
    return connection.execute(select(chain_state)).first()


def set_state(connection: Connection, **values: Any) -> None:
    """Stores the chain's state."""
    connection.execute(update(chain_state).where(chain_state.c.id == _STATE_ID).values(**values))


def hold(connection: Connection, holder: str, now: datetime, *, for_s: float) -> bool:
    """Takes or keeps the work on the chain; returns whether the holder has it."""
    dialect_insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(
        dialect_insert(chain_state)
        .values(
            id=_STATE_ID, chain_id=0, is_connected=False, block_number=0, base_fee_wei=0,
            tip_wei=0, read_block=-1, confirmed_block=-1, holder="",
        )
        .on_conflict_do_nothing(index_elements=["id"])
    )  # fmt: skip
    table = chain_state.c
    is_free = or_(table.holder == holder, table.held_until.is_(None), table.held_until < now)
    held = connection.execute(
        update(chain_state)
        .where(table.id == _STATE_ID, is_free)
        .values(holder=holder, held_until=now + timedelta(seconds=for_s))
        .returning(table.id)
    ).first()
    return held is not None


def let_go(connection: Connection, holder: str) -> None:
    """Gives the work on the chain back."""
    connection.execute(
        update(chain_state).where(chain_state.c.holder == holder).values(held_until=None)
    )


def _standing(connection: Connection, is_meant: Any, *, step: str = "") -> list[Event]:
    """Returns the last step of each event that was not taken back."""
    newest = (
        select(func.max(chain_events.c.sequence))
        .where(is_meant)
        .group_by(chain_events.c.block_hash, chain_events.c.log_index)
    )
    query = select(chain_events).where(
        chain_events.c.sequence.in_(newest), chain_events.c.step != REMOVED
    )
    if step:
        query = query.where(chain_events.c.step == step)
    rows = connection.execute(query.order_by(chain_events.c.sequence))
    return [_event(row) for row in rows]


def _tell(connection: Connection, event: Event, step: str) -> None:
    table = chain_events.c
    # A block that went and came back tells its events again, at the end.
    connection.execute(
        delete(chain_events).where(
            table.block_hash == event.block_hash,
            table.log_index == event.log_index,
            table.step == step,
        )
    )
    values = {name: getattr(event, name) for name in Event.__slots__}
    # One process at a time writes events.
    values |= {"step": step, "sequence": last_sequence(connection) + 1}
    connection.execute(insert(chain_events).values(**values))


def _event(row: Row[Any]) -> Event:
    return Event(**dict(row._mapping))  # noqa: SLF001 - The documented way to a row's names.
