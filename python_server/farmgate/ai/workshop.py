"""Starts the worker process, follows it, and ends it when nobody wants its work any more."""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from farmgate.ai.sources import Price, Series
from farmgate.ai.values import MICRO
from farmgate.ai.worker import ARTIFACT, CHAMPION, PRICES, RESULT, TASK, THREADS

# How soon a cancellation is noticed while the process says nothing.
_LOOK_S: Final = 1.0
_ERROR_LENGTH_MAX: Final = 400
_LINE_BYTES_MAX: Final = 64 * 1024

Step = Mapping[str, Any]
# Hears steps, none when time has passed without any; returns whether the work is still wanted.
Listener = Callable[[Sequence[Step]], Awaitable[bool]]


class WorkError(Exception):
    """The worker process failed; the message is the end of what it said."""


class WorkCancelledError(Exception):
    """The work was not wanted any more."""


@dataclass(frozen=True, slots=True)
class Done:
    """What the worker made.

    Attributes:
        result: Its result.
        artifact: The bytes of the model; empty when it made none.
    """

    result: dict[str, Any]
    artifact: bytes


class Workshop:
    """Runs the worker, one process a task.

    Args:
        folder: Where the folders of tasks are made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def run(
        self, task: Mapping[str, Any], histories: Sequence[tuple[Series, Sequence[Price]]],
        champion: bytes, listener: Listener,
    ) -> Done:  # fmt: skip
        """Returns what the worker made.

        Args:
            task: What is asked for.
            histories: Series and their prices.
            champion: Bytes of the model in use; empty for none.
            listener: Hears the progress.

        Raises:
            WorkError: The process failed, or went beyond its limits.
            WorkCancelledError: The listener did not want it any more.
        """
        place = await asyncio.to_thread(self._prepare, task, histories, champion)
        try:
            await self._follow(place, listener)
            return await asyncio.to_thread(_collect, place)
        finally:
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)

    def _prepare(
        self, task: Mapping[str, Any], histories: Sequence[tuple[Series, Sequence[Price]]],
        champion: bytes,
    ) -> Path:  # fmt: skip
        import numpy as np  # noqa: PLC0415 - Only who trains needs it.

        self._folder.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=self._folder, prefix="task-"))
        series = [{"series_id": one.series_id, "category": one.category} for one, _ in histories]
        (place / TASK).write_text(json.dumps({**task, "series": series}), encoding="utf-8")
        if champion:
            (place / CHAMPION).write_bytes(champion)
        arrays: dict[str, Any] = {}
        for index, (_, prices) in enumerate(histories):
            arrays[f"days_{index}"] = np.array([one.day.toordinal() for one in prices], np.int64)
            arrays[f"prices_{index}"] = np.array([one.micro / MICRO for one in prices], np.float64)
        np.savez(place / PRICES, **arrays)
        return place

    async def _follow(self, place: Path, listener: Listener) -> None:
        errors = place / "errors.log"
        with errors.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "farmgate.ai.worker", str(place),
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=file,
                env={**os.environ, **THREADS}, start_new_session=True, limit=_LINE_BYTES_MAX,
            )  # fmt: skip
        assert process.stdout is not None, "It was asked for."
        try:
            while True:
                steps, has_ended = await _steps(process.stdout)
                if not await listener(steps):
                    raise WorkCancelledError
                if has_ended:
                    break
            status = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if status != 0:
            said = errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            last = said[-1] if said else "It said nothing."
            raise WorkError(f"The worker ended with status {status}: {last}"[:_ERROR_LENGTH_MAX])


async def _steps(output: asyncio.StreamReader) -> tuple[list[Step], bool]:
    """Returns the steps that came within a while, and whether the output has ended."""
    try:
        line = await asyncio.wait_for(output.readline(), _LOOK_S)
    except TimeoutError:
        return [], False
    if not line:
        return [], True
    return [json.loads(line)], False


def _collect(place: Path) -> Done:
    result = json.loads((place / RESULT).read_text(encoding="utf-8"))
    artifact = place / ARTIFACT
    return Done(result, artifact.read_bytes() if artifact.exists() else b"")
