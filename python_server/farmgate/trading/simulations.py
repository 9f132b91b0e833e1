"""Use cases of backtests: each runs in a process of its own, at low priority, within bounds."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

from farmgate.errors import DomainError, invalid
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids
from farmgate.ports.matching import InstrumentMarket, Matching

COMMANDS_MAX: Final = 10_000_000
# Two cores are enough for backtests; whoever comes later tries again.
_RUNNING_MAX: Final = 2
_RUN_S_MAX: Final = 600.0
_RETRY_MS: Final = 5_000
_LIMIT_WORDS: Final = f"{_RUNNING_MAX} simulations at a time, one of each user"
# Finished ones that are kept to be looked at; the oldest go first.
_KEPT_MAX: Final = 1_000


class State(IntEnum):
    """State of a run, numbered as in the API."""

    RUNNING = 1
    SUCCEEDED = 2
    FAILED = 3
    CANCELLED = 4


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to run: generated commands, or a range of the journal."""

    symbol: str
    commands: int
    seed: int
    from_sequence: int
    to_sequence: int


@dataclass(slots=True)
class Run:
    """A backtest. Who watches waits for `moved` and looks again."""

    id: str
    user_id: str
    instrument: InstrumentMarket
    created_at: datetime
    state: State = State.RUNNING
    told: dict[str, Any] = field(default_factory=dict)
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def move(self) -> None:
        """Wakes those who watch."""
        self.moved.set()
        self.moved = asyncio.Event()


class Simulations:
    """Runs backtests and remembers them as long as the process lives.

    Args:
        matching: The core, for rules and sequences.
        directory: Folder of the journal.
        clock: Tells the time.
        ids: Names runs.
    """

    def __init__(self, matching: Matching, directory: Path, clock: Clock, ids: Ids) -> None:
        self._matching = matching
        self._directory = directory
        self._clock = clock
        self._ids = ids
        self._runs: dict[str, Run] = {}

    async def start(self) -> None:
        """Has nothing to start."""

    async def stop(self) -> None:
        """Stops what runs."""
        for run in list(self._runs.values()):
            await self._end(run)

    async def run(self, user_id: str, account: int | None, wanted: Wanted) -> Run:
        """Starts a backtest.

        Raises:
            DomainError: INSTRUMENT_UNKNOWN, INVALID_ARGUMENT for what is no run, RATE_LIMITED while
                as many run as may.
        """
        found = self._matching.instruments([wanted.symbol])
        if not found:
            raise DomainError("INSTRUMENT_UNKNOWN", symbol=wanted.symbol)
        order = self._order(wanted, found[0], account)
        running = [run for run in self._runs.values() if run.state is State.RUNNING]
        if len(running) >= _RUNNING_MAX or any(run.user_id == user_id for run in running):
            refusal = DomainError("RATE_LIMITED", limit=_LIMIT_WORDS, retry_after_ms=_RETRY_MS)
            raise refusal.retry_after(_RETRY_MS)
        run = Run(self._ids.ulid(), user_id, found[0], self._clock.now())
        run.told = {"total": wanted.commands or wanted.to_sequence - wanted.from_sequence + 1}
        self._runs[run.id] = run
        while len(self._runs) > _KEPT_MAX:
            done = (key for key, one in self._runs.items() if one.state is not State.RUNNING)
            del self._runs[next(done)]
        run.task = asyncio.create_task(self._carry_out(run, order))
        return run

    def get(self, user_id: str, run_id: str) -> Run:
        """Returns a run of the caller.

        Raises:
            DomainError: NOT_FOUND.
        """
        run = self._runs.get(run_id)
        if run is None or run.user_id != user_id:
            raise DomainError("NOT_FOUND", resource="simulation", id=run_id)
        return run

    async def cancel(self, user_id: str, run_id: str) -> Run:
        """Stops a run of the caller; one that is over stays as it is.

        Raises:
            DomainError: NOT_FOUND.
        """
        run = self.get(user_id, run_id)
        await self._end(run)
        return run

    async def watch(self, user_id: str, run_id: str) -> AsyncIterator[Run]:
        """Yields a run whenever it moved on, to its end.

        Raises:
            DomainError: NOT_FOUND.
        """
        run = self.get(user_id, run_id)
        while True:
            moved = run.moved
            yield run
            if run.state is not State.RUNNING:
                return
            await moved.wait()

    def _order(
        self, wanted: Wanted, instrument: InstrumentMarket, account: int | None
    ) -> dict[str, Any]:
        is_range = bool(wanted.from_sequence or wanted.to_sequence)
        if is_range == bool(wanted.commands):
            raise invalid("command_count", "must be given, or else a range of the journal")
        if not is_range:
            record = self._matching.instrument_record(wanted.symbol) or b""
            return {"record": record.hex(), "seed": wanted.seed, "commands": wanted.commands}
        count = wanted.to_sequence - wanted.from_sequence + 1
        if wanted.from_sequence == 0 or not 1 <= count <= COMMANDS_MAX:
            raise invalid("to_sequence", f"must be at most {COMMANDS_MAX} from from_sequence")
        if wanted.to_sequence > self._matching.applied_sequence():
            raise invalid("to_sequence", "must have happened")
        # Nobody's account has the greatest number.
        own = account if account is not None else 2**32 - 1
        return {
            "directory": str(self._directory), "from": wanted.from_sequence,
            "to": wanted.to_sequence, "instrument": instrument["number"], "account": own,
        }  # fmt: skip

    async def _carry_out(self, run: Run, order: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(_RUN_S_MAX):
                status = await self._follow(run, order)
            run.state = State.SUCCEEDED if status == 0 else State.FAILED
        except asyncio.CancelledError:
            run.state = State.CANCELLED
        except TimeoutError:
            run.state = State.FAILED
        finally:
            run.move()

    async def _follow(self, run: Run, order: dict[str, Any]) -> int:
        """Runs the process and hears what it tells; returns its status."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "farmgate.trading.simulator",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin, "It was asked for."
        assert process.stdout, "It was asked for."
        try:
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.close()
            async for line in process.stdout:
                run.told = json.loads(line)
                run.move()
            return await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _end(self, run: Run) -> None:
        if run.task is None or run.task.done():
            return
        run.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await run.task
        # Cancelled before its first step, it could not say so itself.
        if run.state is State.RUNNING:
            run.state = State.CANCELLED
            run.move()
