"""Migrations of the schema, and how to run them."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

_HERE: Final = Path(__file__).parent


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Brings the schema up to a revision."""
    command.upgrade(_config(engine), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Takes the schema back to a revision; "base" is the empty schema."""
    command.downgrade(_config(engine), revision)


def pending(engine: Engine) -> bool:
    """Returns whether the schema lacks a migration."""
    # A process that only looks must not wait for another that writes.
    with engine.execution_options(farmgate_write=False).connect() as connection:
        current = MigrationContext.configure(connection).get_current_heads()
    return set(current) != set(ScriptDirectory.from_config(_config(engine)).get_heads())


def _config(engine: Engine) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["engine"] = engine
    return config
