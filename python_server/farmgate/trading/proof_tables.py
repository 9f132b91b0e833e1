"""What is kept for proofs: days that are closed, and places from which to read the journal."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, LargeBinary, String, Table

from farmgate.db.schema import BigKey, metadata

journal_days: Final = Table(
    "journal_days",
    metadata,
    # YYYY-MM-DD, in UTC.
    Column("date", String(10), primary_key=True),
    Column("first_sequence", BigInteger, nullable=False, unique=True),
    Column("last_sequence", BigInteger, nullable=False),
    Column("last_trade_id", BigInteger, nullable=False),
    Column("root", String(64), nullable=False),
    Column("chain", String(64), nullable=False),
    Column("cid", String(128), nullable=False),
    # Where the journal goes on after the day.
    Column("place", LargeBinary, nullable=False),
    # Whether an operation on the chain carries the root; previous_root is what it names.
    Column("is_anchored", Boolean, nullable=False),
    Column("previous_root", String(64), nullable=False),
)

# Grown from the journal again when they are lost.
journal_marks: Final = Table(
    "journal_marks",
    metadata,
    # Of the record that comes next.
    Column("sequence", BigKey, primary_key=True, autoincrement=False),
    Column("place", LargeBinary, nullable=False),
)
