"""The schema that migrations make is the one the tables state."""

import importlib
import pkgutil

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

import farmgate
from farmgate.db import migrations
from farmgate.db.engine import Database
from farmgate.db.schema import metadata


@pytest.fixture
def database(any_database_url: str):
    database = Database(any_database_url, threads=2)
    yield database
    database.close()


def _load_tables() -> None:
    endings = (".tables", ".audit", ".replies", ".outbox", ".configuration", ".journal")
    for module in pkgutil.walk_packages(farmgate.__path__, "farmgate."):
        if module.name.endswith(endings):
            importlib.import_module(module.name)


def test_migrations_make_what_the_tables_state(database: Database) -> None:
    """OPS-027."""
    _load_tables()
    assert migrations.pending(database.engine)
    migrations.upgrade(database.engine)
    assert not migrations.pending(database.engine)
    with database.engine.connect() as connection:
        # SQLite gives defaults back in quotes of its own, which would compare as a difference.
        options = {"compare_type": True, "compare_server_default": not database.is_sqlite}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_named_constraints_are_there(database: Database) -> None:
    _load_tables()
    migrations.upgrade(database.engine)
    inspector = inspect(database.engine)
    for table in metadata.tables.values():
        expected = {
            str(one.name) for one in table.constraints if type(one).__name__ == "CheckConstraint"
        }
        found = {str(one["name"]) for one in inspector.get_check_constraints(table.name)}
        assert expected <= found, table.name


def test_migrations_go_down_and_up_again(database: Database) -> None:
    """OPS-027."""
    migrations.upgrade(database.engine)
    migrations.downgrade(database.engine, "base")
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
    migrations.upgrade(database.engine)
    migrations.upgrade(database.engine)
    assert not migrations.pending(database.engine)
