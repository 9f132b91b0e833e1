"""Ends sessions in all processes: at once by the bus, and by the database when that fails."""

import json
from typing import Final

from farmgate.app.parts.base import Base

_TOPIC: Final = "sessions"


class Revoking:
    """Tells every process of a session that ended.

    Args:
        base: Carries it.
    """

    def __init__(self, base: Base) -> None:
        self._bus = base.bus

    def __call__(self, user_id: str, *, session_id: str | None = None, below: int = 0) -> None:
        """Ends grants, also those of streams under way; see `rpc.access.Grants.revoke`."""
        told = {"user_id": user_id, "session_id": session_id, "below": below}
        self._bus.publish(_TOPIC, json.dumps(told).encode())


def listen(base: Base) -> None:
    """Ends in this process what any process ends."""
    base.bus.listen(_TOPIC, lambda message: base.grants.revoke(**json.loads(message)))
