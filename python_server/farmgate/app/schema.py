"""The database's part in the process: its schema at the start, its connections at the end."""

import asyncio

from farmgate.app.settings import SettingsError
from farmgate.db import migrations
from farmgate.db.engine import Database


class Schema:
    """Brings the schema up to date before anything uses it, and closes the database at the end.

    Args:
        database: The database.
        may_upgrade: Whether to run migrations that are missing. In production they are run by
            themselves, by a role that may, before the first process of a version starts.
    """

    def __init__(self, database: Database, *, may_upgrade: bool) -> None:
        self._database = database
        self._may_upgrade = may_upgrade

    async def start(self) -> None:
        """Runs the migrations that are missing.

        Raises:
            SettingsError: Migrations are missing and may not be run here.
        """
        await asyncio.to_thread(self._prepare)

    async def stop(self) -> None:
        """Waits for running work and closes the connections."""
        await asyncio.to_thread(self._database.close)

    def _prepare(self) -> None:
        engine = self._database.engine
        if not migrations.pending(engine):
            return
        if not self._may_upgrade:
            raise SettingsError(["The database lacks migrations; run `farmgate migrate` first."])
        migrations.upgrade(engine)
