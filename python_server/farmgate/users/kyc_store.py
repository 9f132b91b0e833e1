"""Queries of KYC cases and their documents."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from farmgate.users.tables import kyc_cases, kyc_documents, users


@dataclass(frozen=True, slots=True)
class Document:
    """A document without its content; `kind` is the number of the API's enum."""

    id: str
    case_id: str
    kind: int
    status: str
    media_type: str
    size_bytes: int
    sha256: str
    reject_code: str
    uploaded_at: datetime


@dataclass(frozen=True, slots=True)
class Case:
    """One attempt at one level."""

    id: str
    user_id: str
    target_level: int
    status: str
    form: bytes | None
    attempts: int
    risk_score: int
    assigned_to: str
    first_approver: str
    decision_reason: str
    submitted_at: datetime | None
    decided_at: datetime | None
    expires_at: datetime | None
    created_at: datetime
    version: int
    documents: tuple[Document, ...] = ()


_CASE = tuple(field.name for field in fields(Case))[:-1]
_DOCUMENT = tuple(field.name for field in fields(Document))


def insert_case(connection: Connection, case: Case) -> None:
    """Stores a new case."""
    connection.execute(insert(kyc_cases).values(**{name: getattr(case, name) for name in _CASE}))


def replace_case(connection: Connection, case: Case) -> None:
    """Stores a case over the one of its ID."""
    values = {name: getattr(case, name) for name in _CASE}
    connection.execute(update(kyc_cases).where(kyc_cases.c.id == case.id).values(**values))


def case(connection: Connection, case_id: str) -> Case | None:
    """Returns a case with its documents."""
    row = connection.execute(select(kyc_cases).where(kyc_cases.c.id == case_id)).first()
    return None if row is None else _complete(connection, row)


def newest_case(connection: Connection, user_id: str) -> Case | None:
    """Returns the newest case of a user."""
    query = select(kyc_cases).where(kyc_cases.c.user_id == user_id)
    row = connection.execute(query.order_by(kyc_cases.c.id.desc()).limit(1)).first()
    return None if row is None else _complete(connection, row)


def cases_of(connection: Connection, user_id: str) -> list[Case]:
    """Returns all cases of a user, the oldest first."""
    query = select(kyc_cases).where(kyc_cases.c.user_id == user_id).order_by(kyc_cases.c.id)
    return [_complete(connection, row) for row in connection.execute(query).all()]


def case_page(
    connection: Connection, *, statuses: Collection[str], assigned_to: str, level: int, after: str,
    limit: int,
) -> list[Case]:  # fmt: skip
    """Returns cases, oldest first."""
    table = kyc_cases.c
    query = select(kyc_cases).where(table.status.in_(statuses), table.id > after)
    if assigned_to:
        query = query.where(table.assigned_to == assigned_to)
    if level:
        query = query.where(table.target_level == level)
    rows = connection.execute(query.order_by(table.id).limit(limit)).all()
    return [_complete(connection, row) for row in rows]


def waiting_count(connection: Connection, statuses: Sequence[str]) -> int:
    """Returns how many cases wait for a decision."""
    query = select(func.count()).where(kyc_cases.c.status.in_(statuses))
    return connection.execute(query).scalar() or 0


def add_document(
    connection: Connection, document: Document, *, wrapped_key: bytes, content: bytes
) -> None:
    """Stores a document."""
    values = {name: getattr(document, name) for name in _DOCUMENT}
    connection.execute(
        insert(kyc_documents).values(**values, wrapped_key=wrapped_key, content=content)
    )


def sealed_document(
    connection: Connection, document_id: str
) -> tuple[Document, bytes | None, bytes | None] | None:
    """Returns a document with its wrapped key and its encrypted content."""
    query = select(kyc_documents).where(kyc_documents.c.id == document_id)
    row = connection.execute(query).first()
    return None if row is None else (_document(row), row.wrapped_key, row.content)


def shred(connection: Connection, document_id: str) -> None:
    """Destroys the key and the content of a document; that it was there stays."""
    connection.execute(
        update(kyc_documents)
        .where(kyc_documents.c.id == document_id)
        .values(status="SHREDDED", wrapped_key=None, content=None)
    )


def judge(connection: Connection, document_id: str, status: str, reject_code: str) -> None:
    """Stores what a reviewer thinks of a document."""
    connection.execute(
        update(kyc_documents)
        .where(kyc_documents.c.id == document_id)
        .values(status=status, reject_code=reject_code)
    )


def set_level(connection: Connection, user_id: str, level: int) -> None:
    """Stores the level of a user."""
    connection.execute(
        update(users)
        .where(users.c.id == user_id)
        .values(kyc_level=level, version=users.c.version + 1)
    )


def over(connection: Connection, now: datetime, limit: int) -> list[Case]:
    """Returns approved cases whose time is over."""
    table = kyc_cases.c
    query = select(kyc_cases).where(table.status == "APPROVED", table.expires_at <= now)
    rows = connection.execute(query.order_by(table.id).limit(limit)).all()
    return [_complete(connection, row) for row in rows]


def _complete(connection: Connection, row: Row[Any]) -> Case:
    query = select(*(kyc_documents.c[name] for name in _DOCUMENT))
    found = connection.execute(
        query.where(kyc_documents.c.case_id == row.id).order_by(kyc_documents.c.id)
    )
    values = {name: getattr(row, name) for name in _CASE}
    return Case(**values, documents=tuple(map(_document, found)))


def _document(row: Row[Any]) -> Document:
    return Document(**{name: getattr(row, name) for name in _DOCUMENT})
