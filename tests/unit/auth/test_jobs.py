from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from farmgate.auth import store
from farmgate.auth.jobs import Revocations
from farmgate.auth.store import Session
from farmgate.db import migrations
from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.ports.clock import FakeClock
from farmgate.ports.ids import UlidSource
from farmgate.users.facade import NewUser, Users


class Remembered:
    def __init__(self) -> None:
        self.is_stale = False
        self.ended: set[tuple[str, str | None, int]] = set()

    def revoke(self, user_id: str, *, session_id: str | None = None, below: int = 0) -> None:
        self.ended.add((user_id, session_id, below))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    migrations.upgrade(database.engine)
    yield database
    database.close()


async def test_sessions_that_other_processes_ended_are_heard_of(database: Database) -> None:
    """AUT-011."""
    clock, users, remembered = FakeClock(), Users(), Remembered()
    ids = UlidSource(clock)
    user_id, now = ids.ulid(), clock.now()
    new = NewUser("a@example.com", "Amara", "FARMER", "", "en", "UTC", is_verified=True)
    session = Session(ids.ulid(), user_id, "", "", "", now, now, now + timedelta(days=1), None)
    revocations = Revocations(database, users, remembered, clock)

    def begin(tx):
        users.add(tx, new, user_id=user_id, account_id=ids.ulid(), now=now)
        store.insert_session(tx, session)

    await database.write(begin)
    await revocations.hear()
    assert not remembered.ended
    await database.write(lambda tx: store.revoke_session(tx, session.id, "LOGOUT", clock.now()))
    await database.write(lambda tx: users.close_sessions(tx, user_id, clock.now()))
    clock.move(30)
    await revocations.hear()
    assert remembered.ended == {(user_id, session.id, 0), (user_id, None, 2)}


async def test_silence_of_the_database_makes_tokens_stale(tmp_path: Path) -> None:
    """AUT-013."""
    clock, remembered = FakeClock(), Remembered()
    database = Database(f"sqlite:///{tmp_path / 'missing' / 'test.db'}")
    revocations = Revocations(database, Users(), remembered, clock)
    with pytest.raises(DomainError, match="UNAVAILABLE"):
        await revocations.hear()
    assert not remembered.is_stale
    clock.move(5)
    with pytest.raises(DomainError, match="UNAVAILABLE"):
        await revocations.hear()
    assert remembered.is_stale
    database.close()
