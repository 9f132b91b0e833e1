"""The journal of the matching core in PostgreSQL, and its lease.

The core reads and writes these tables itself, by statements of its own: see
`matching_core/src/shared`. A group of commands is one row, which is inserted only while the lease
is at its epoch.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table

from farmgate.db.schema import UtcTime, metadata

journal_leases: Final = Table(
    "journal_leases",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    # Raised each time the lease is taken.
    Column("epoch", BigInteger, nullable=False),
    # The process that has it, and where it is reached.
    Column("holder", String(64), nullable=False),
    Column("address", String(255), nullable=False),
    Column("expire_time", UtcTime, nullable=False),
)

journal_groups: Final = Table(
    "journal_groups",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("first_sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("command_count", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    # Header, hash of everything before and records, as in a file of the journal.
    Column("frame", LargeBinary, nullable=False),
)
