"""Three announcements of the demonstration."""

from datetime import timedelta
from typing import Final

from sqlalchemy import Connection

from farmgate.admin import store
from farmgate.admin.store import PublicAnnouncement
from farmgate.api.admin.v1 import announcements_pb2
from farmgate.app.seeding.ground import Ground

_INFO: Final = announcements_pb2.ANNOUNCEMENT_SEVERITY_INFO
_WARNING: Final = announcements_pb2.ANNOUNCEMENT_SEVERITY_WARN
# Title, body, severity, roles that see it (none for all), days it is shown.
_ANNOUNCEMENTS: Final = (
    ("Welcome to the demonstration", "People, money and prices here are made up. Trade freely.",
     _INFO, (), 3_650),
    ("Harvest hours", "Warehouses of the Heartland take deliveries from 6:00 to 22:00.",
     _INFO, ("FARMER", "COOP_MANAGER"), 60),
    ("Maintenance on Sunday", "Withdrawals wait between 2:00 and 3:00 UTC. Trading goes on.",
     _WARNING, ("TRADER", "COOP_MANAGER"), 14),
)  # fmt: skip


async def plant(ground: Ground) -> None:
    """Adds the announcements where there is none."""
    now = ground.base.clock.now()
    found = [
        PublicAnnouncement(
            ground.base.ids.ulid(), title, body, severity, audience, now,
            now + timedelta(days=days), version=1,
        )
        for title, body, severity, audience, days in _ANNOUNCEMENTS
    ]  # fmt: skip

    def add(connection: Connection) -> None:
        if store.announcement_page(connection, at=None, role="", before="", limit=1):
            return
        for one in found:
            store.put_announcement(connection, one, is_new=True)

    await ground.base.database.write(add)
