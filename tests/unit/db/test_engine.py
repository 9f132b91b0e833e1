import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select, update

from farmgate.db.engine import Database
from farmgate.errors import DomainError

_metadata = MetaData()
counter = Table("counter", _metadata, Column("value", Integer))


@pytest.fixture
def database(any_database_url: str):
    database = Database(any_database_url, threads=4)
    _metadata.create_all(database.engine)
    database.run(lambda tx: tx.execute(insert(counter).values(value=0)))
    yield database
    database.close()


async def test_writers_do_not_lose_each_other(database: Database) -> None:
    def add(tx):
        tx.execute(update(counter).values(value=counter.c.value + 1))

    await asyncio.gather(*(database.write(add) for _ in range(40)))
    assert await database.read(lambda tx: tx.scalar(select(counter.c.value))) == 40


async def test_refused_work_leaves_nothing(database: Database) -> None:
    """AUT-022."""

    def add_and_refuse(tx):
        tx.execute(update(counter).values(value=7))
        raise DomainError("NOT_FOUND", resource="x", id="y")

    with pytest.raises(DomainError):
        await database.write(add_and_refuse)
    assert await database.read(lambda tx: tx.scalar(select(counter.c.value))) == 0


async def test_lost_database_is_a_refusal(tmp_path: Path) -> None:
    for url in (
        f"sqlite:///{tmp_path / 'missing' / 'x.db'}",
        "postgresql://nobody@127.0.0.1:1/nothing",
    ):
        database = Database(url, threads=1)
        with pytest.raises(DomainError, match="UNAVAILABLE"):
            await database.read(lambda tx: tx.scalar(select(1)))
        database.close()
