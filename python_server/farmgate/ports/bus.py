"""What processes tell each other beside the journal: hints, which nothing depends on.

Whoever listens has another way to learn the same, later: a row, a time to live. So a message is
sent at most once, and a listener is told when some may have been missed.
"""

from collections.abc import Callable
from typing import Final, Protocol

from farmgate.telemetry.logs import logger

_log = logger(__name__)
# A hint names what changed; it does not carry it.
MESSAGE_BYTES_MAX: Final = 16 * 1024
Heard = Callable[[bytes], None]
Missed = Callable[[], None]


class Bus(Protocol):
    """Carries messages by topics."""

    def listen(self, topic: str, heard: Heard, *, missed: Missed | None = None) -> None:
        """Hears the messages of a topic from now on, the own process's too.

        Args:
            topic: Which messages.
            heard: Is given each message, on the loop's thread.
            missed: Is called when messages of others may have been lost.
        """

    def publish(self, topic: str, message: bytes) -> None:
        """Tells those who listen: this process at once, others soon. It never waits."""

    async def start(self) -> None:
        """Joins the others; without them it works for this process."""

    async def stop(self) -> None:
        """Leaves."""


class LocalBus:
    """Carries messages within this process."""

    def __init__(self) -> None:
        self._heard: dict[str, list[Heard]] = {}
        self._missed: list[Missed] = []

    def listen(self, topic: str, heard: Heard, *, missed: Missed | None = None) -> None:
        """Hears the messages of a topic from now on."""
        self._heard.setdefault(topic, []).append(heard)
        if missed is not None:
            self._missed.append(missed)

    def publish(self, topic: str, message: bytes) -> None:
        """Tells those who listen."""
        assert len(message) <= MESSAGE_BYTES_MAX, "A hint is short."
        self._deliver(topic, message)

    async def start(self) -> None:
        """Has nothing to start."""

    async def stop(self) -> None:
        """Has nothing to stop."""

    def _deliver(self, topic: str, message: bytes) -> None:
        for heard in self._heard.get(topic, ()):
            try:
                heard(message)
            except Exception:  # noqa: BLE001 - One listener's fault is not another's.
                _log.exception("message not taken", topic=topic)

    def _tell_missed(self) -> None:
        for missed in self._missed:
            missed()
