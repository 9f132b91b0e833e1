"""The database: synchronous SQLAlchemy Core in a bounded pool of threads.

Asynchronous engines reached 0.28 (SQLite) and 0.56 (PostgreSQL) of its write rate here.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from farmgate.db.changes import Changes
from farmgate.errors import DomainError
from farmgate.telemetry.logs import logger

T = TypeVar("T")
Work = Callable[[Connection], T]

_ATTEMPTS: Final = 3
# As long as a writer waits for another process's writer; within one process they queue.
_BUSY_TIMEOUT_MS: Final = 1_000
# Work that waits for a thread. Beyond it a caller is better served by a quick refusal.
_QUEUE_MAX: Final = 512
# serialization_failure, deadlock_detected, lock_not_available: done again, they may work.
_REPEATABLE_SQLSTATES: Final = frozenset({"40001", "40P01", "55P03"})
# query_canceled (statement_timeout), too_many_connections, disk_full, admin_shutdown and kin.
_PASSING_SQLSTATES: Final = frozenset({"57014", "53300", "53100", "57P01", "57P02", "57P03"})
_PASSING_SQLITE: Final = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
})  # fmt: skip
_PG_SETTINGS: Final = (
    "-c statement_timeout=2000 -c lock_timeout=500 -c idle_in_transaction_session_timeout=5000"
)
_log = logger(__name__)


class Database:
    """Runs work in transactions: `read` on any thread, `write` on the writers'.

    Args:
        url: Address in SQLAlchemy's form, `sqlite:///...` or `postgresql+psycopg://...`.
        threads: How many transactions run at once.

    Attributes:
        changes: Tells of what was committed.
    """

    def __init__(self, url: str, *, threads: int = 8) -> None:
        self._engine = create_database_engine(url, connections=threads)
        self._readers = ThreadPoolExecutor(threads, thread_name_prefix="db")
        # SQLite has one writer. Queueing for one thread is fair and never busy; waiting for the
        # file's lock is neither.
        self._writers = (
            ThreadPoolExecutor(1, thread_name_prefix="db-writer")
            if self.is_sqlite
            else self._readers
        )
        self._waiting_count = 0
        self.changes = Changes(self._engine)

    @property
    def engine(self) -> Engine:
        """Returns the engine, for migrations and tests."""
        return self._engine

    @property
    def is_sqlite(self) -> bool:
        """Returns whether the database is SQLite."""
        return self._engine.dialect.name == "sqlite"

    async def read(self, work: Work[T]) -> T:
        """Returns what the work reads, all of it at one moment.

        Raises:
            DomainError: UNAVAILABLE when the database can't answer.
        """
        return await self._submit(self._readers, work, is_write=False)

    async def write(self, work: Work[T]) -> T:
        """Returns what the work leaves behind, once it is committed.

        The work runs again, at most twice, when the database says that a repeat may work: it may
        have no effects but those in the database.

        Raises:
            DomainError: UNAVAILABLE when the database can't answer; whether the work was committed
                is then not known.
        """
        return await self._submit(self._writers, work, is_write=True)

    def run(self, work: Work[T], *, is_write: bool = True) -> T:
        """Does the work on this thread; for start-up, jobs and tests."""
        for attempts_left in reversed(range(_ATTEMPTS)):
            try:
                return self._once(work, is_write=is_write)
            except DBAPIError as error:
                if attempts_left and _may_repeat(error):
                    continue
                refusal = refusal_of(error)
                if refusal is None:
                    raise
                _log.warning("database refused", exc_info=error)
                raise refusal from error
        raise AssertionError("The last attempt returns or raises.")

    def close(self) -> None:
        """Waits for running work and closes the connections."""
        self._readers.shutdown()
        self._writers.shutdown()
        self._engine.dispose()

    async def _submit(self, pool: ThreadPoolExecutor, work: Work[T], *, is_write: bool) -> T:
        if self._waiting_count >= _QUEUE_MAX:
            raise DomainError("UNAVAILABLE").retry_after(1_000)
        self._waiting_count += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                pool, lambda: self.run(work, is_write=is_write)
            )
        finally:
            self._waiting_count -= 1

    def _once(self, work: Work[T], *, is_write: bool) -> T:
        with self._engine.connect() as raw:
            connection = raw.execution_options(farmgate_write=is_write)
            try:
                with connection.begin():
                    result = work(connection)
            except BaseException:
                self.changes.forget(connection)
                raise
            self.changes.committed(connection)
            return result


def create_database_engine(url: str, *, connections: int = 1) -> Engine:
    """Returns the engine for a database address, set up for durability."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(
            parsed,
            # An error's text reaches the log; what people sent does not.
            hide_parameters=True,
            poolclass=QueuePool,
            pool_size=connections + 1,
            max_overflow=0,
            connect_args={"check_same_thread": False, "timeout": _BUSY_TIMEOUT_MS / 1000},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        hide_parameters=True,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=2,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 2, "tcp_user_timeout": 2_000, "options": _PG_SETTINGS},
    )


def ping(connection: Connection) -> None:
    """Asks the database for a sign of life."""
    connection.execute(text("SELECT 1"))


def refusal_of(error: DBAPIError) -> DomainError | None:
    """Returns the refusal a driver error means, or None when it is a bug."""
    if error.connection_invalidated or _may_repeat(error) or _passes(error):
        return DomainError("UNAVAILABLE").retry_after(1_000)
    if isinstance(error, OperationalError) and _sqlstate(error) is None and not _is_sqlite(error):
        # psycopg has no SQLSTATE when it could not connect at all.
        return DomainError("UNAVAILABLE").retry_after(1_000)
    return None


def _may_repeat(error: DBAPIError) -> bool:
    if _is_sqlite(error):
        return _sqlite_code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
    return _sqlstate(error) in _REPEATABLE_SQLSTATES


def _passes(error: DBAPIError) -> bool:
    if _is_sqlite(error):
        return _sqlite_code(error) in _PASSING_SQLITE
    return _sqlstate(error) in _PASSING_SQLSTATES


def _is_sqlite(error: DBAPIError) -> bool:
    return isinstance(error.orig, sqlite3.Error)


def _sqlite_code(error: DBAPIError) -> int | None:
    code = getattr(error.orig, "sqlite_errorcode", None)
    # The low byte is the primary code; the rest says more exactly.
    return None if code is None else code & 0xFF


def _sqlstate(error: DBAPIError) -> str | None:
    state: str | None = getattr(error.orig, "sqlstate", None)
    return state


def _prepare_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    # The driver would begin transactions by itself, deferred and at moments of its own choice.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes the write lock first: a reader that turns writer can't wait, only fail.
    is_write = connection.get_execution_options().get("farmgate_write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")
