"""Sessions of order entry: who is connected, and what ends with the last connection."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from farmgate.api.trading.v1 import trading_pb2
from farmgate.errors import DomainError
from farmgate.ports.matching import Matching, Switch
from farmgate.telemetry.logs import logger

_log = logger(__name__)

# A client that comes back within this time has lost nothing; two seconds are promised.
GRACE_S: Final = 1.0


class Sessions:
    """Counts the sessions of each account and cancels for those that asked when none is left.

    A process that starts has lost all sessions of the one before, so it cancels then too.

    Args:
        matching: The core.
        grace_s: How long an account may be without a session, in seconds.
    """

    def __init__(self, matching: Matching, *, grace_s: float = GRACE_S) -> None:
        self._matching = matching
        self._grace_s = grace_s
        self._open: Counter[int] = Counter()
        self._waiting: dict[int, asyncio.TimerHandle] = {}
        self._cancelling: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Ends what the sessions of the process before left open."""
        for account in self._matching.switched_on(Switch.CANCEL_ON_DISCONNECT):
            self._lost(account)

    async def stop(self) -> None:
        """Cancels at once for accounts in their time of grace: no session will come back here."""
        for account, timer in list(self._waiting.items()):
            timer.cancel()
            self._cancel(account)
        await asyncio.gather(*self._cancelling)

    @contextmanager
    def session(self, account: int) -> Iterator[None]:
        """Lets a session of an account count while it lasts."""
        self._open[account] += 1
        if timer := self._waiting.pop(account, None):
            timer.cancel()
        try:
            yield
        finally:
            self._open[account] -= 1
            if not self._open[account]:
                del self._open[account]
                self._lost(account)

    def _lost(self, account: int) -> None:
        if Switch.CANCEL_ON_DISCONNECT in self._matching.risk(account).switches:
            loop = asyncio.get_running_loop()
            self._waiting[account] = loop.call_later(self._grace_s, self._cancel, account)

    def _cancel(self, account: int) -> None:
        self._waiting.pop(account, None)
        task = asyncio.get_running_loop().create_task(self._cancel_all(account))
        self._cancelling.add(task)
        task.add_done_callback(self._cancelling.discard)

    async def _cancel_all(self, account: int) -> None:
        try:
            reason = trading_pb2.CANCEL_REASON_DISCONNECT
            count = await self._matching.cancel_all(account, reason)
        except DomainError as error:
            _log.error("session.cancel_failed", account=account, reason=error.reason)
        else:
            _log.info("session.lost", account=account, cancelled=count)
