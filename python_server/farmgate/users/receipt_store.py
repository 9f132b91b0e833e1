"""Queries of warehouse receipts."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from farmgate.users.receipt_rules import LIVE
from farmgate.users.tables import accounts, warehouse_receipts


@dataclass(frozen=True, slots=True)
class Receipt:
    """A warehouse receipt; its quantity is in thousandths of the unit."""

    id: str
    number: str
    account_id: str
    asset: str
    quantity_minor: int
    unit: str
    crop_year: str
    quality: str
    storage_paid_to: str
    status: str
    booking: str
    request_key: str
    parent_id: str
    document_cid: str
    issued_by: str
    issued_at: datetime
    version: int


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose account it is, and its number in the core."""

    user_id: str
    account_id: str
    number: int | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which receipts are wanted; empty values do not matter."""

    account_id: str = ""
    status: str = ""
    commodity: str = ""
    location: str = ""


_COLUMNS = tuple(field.name for field in fields(Receipt))


def add(connection: Connection, *receipts: Receipt) -> None:
    """Stores new receipts."""
    rows = [{name: getattr(one, name) for name in _COLUMNS} for one in receipts]
    connection.execute(insert(warehouse_receipts), rows)


def replace_receipt(connection: Connection, one: Receipt, *, expected_version: int) -> bool:
    """Stores a receipt over its version; returns False when it is at another one."""
    table = warehouse_receipts.c
    changed = connection.execute(
        update(warehouse_receipts)
        .where(table.id == one.id, table.version == expected_version)
        .values(**{name: getattr(one, name) for name in _COLUMNS})
        .returning(table.id)
    ).first()
    return changed is not None


def receipt(connection: Connection, receipt_id: str) -> Receipt | None:
    """Returns a receipt."""
    query = select(warehouse_receipts).where(warehouse_receipts.c.id == receipt_id)
    row = connection.execute(query).first()
    return None if row is None else _receipt(row)


def page(connection: Connection, wanted: Filter, *, before: str, limit: int) -> list[Receipt]:
    """Returns receipts, newest first."""
    table = warehouse_receipts.c
    query = select(warehouse_receipts)
    if wanted.account_id:
        query = query.where(table.account_id == wanted.account_id)
    if wanted.status:
        query = query.where(table.status == wanted.status)
    if wanted.commodity:
        query = query.where(table.asset.startswith(f"{wanted.commodity}.", autoescape=True))
    if wanted.location:
        query = query.where(table.asset.endswith(f".{wanted.location}", autoescape=True))
    if before:
        query = query.where(table.id < before)
    rows = connection.execute(query.order_by(table.id.desc()).limit(limit))
    return [_receipt(row) for row in rows]


def unbooked(connection: Connection, *, limit: int) -> list[Receipt]:
    """Returns the oldest receipts that are on their way into or out of the core."""
    table = warehouse_receipts.c
    query = select(warehouse_receipts).where(table.booking != "DONE").order_by(table.id)
    return [_receipt(row) for row in connection.execute(query.limit(limit))]


def live(connection: Connection, account_id: str, asset: str) -> list[Receipt]:
    """Returns the receipts of an account that can be sold, oldest first."""
    table = warehouse_receipts.c
    query = select(warehouse_receipts).where(
        table.account_id == account_id,
        table.asset == asset,
        table.status == "ISSUED",
        table.booking == "DONE",
    )
    return [_receipt(row) for row in connection.execute(query.order_by(table.id))]


def live_sums(connection: Connection) -> dict[str, dict[str, int]]:
    """Returns the quantity of live receipts by asset and account."""
    table = warehouse_receipts.c
    query = (
        select(table.asset, table.account_id, func.sum(table.quantity_minor).label("quantity"))
        .where(table.status.in_(LIVE), table.booking != "IN")
        .group_by(table.asset, table.account_id)
    )
    found: dict[str, dict[str, int]] = {}
    for row in connection.execute(query):
        found.setdefault(row.asset, {})[row.account_id] = int(row.quantity)
    return found


def owners(connection: Connection, account_ids: Collection[str] = ()) -> list[Owner]:
    """Returns the owners of accounts, of all that the core has opened when none are named."""
    query = select(accounts.c.user_id, accounts.c.id, accounts.c.engine_number)
    if account_ids:
        query = query.where(accounts.c.id.in_(account_ids))
    else:
        query = query.where(accounts.c.engine_number.is_not(None))
    return [Owner(*row) for row in connection.execute(query)]


def _receipt(row: Row[Any]) -> Receipt:
    return Receipt(**{name: getattr(row, name) for name in _COLUMNS})
