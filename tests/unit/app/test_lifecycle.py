import asyncio

import pytest

from farmgate.app.lifecycle import Components
from farmgate.jobs.periodic import Periodic


class Noted:
    def __init__(self, name: str, notes: list[str], fails_at: str = "") -> None:
        self.name, self.notes, self.fails_at = name, notes, fails_at

    async def start(self) -> None:
        self._note("start")

    async def stop(self) -> None:
        self._note("stop")

    def _note(self, what: str) -> None:
        self.notes.append(f"{what} {self.name}")
        if self.fails_at == what:
            raise ValueError(self.name)


async def test_components_stop_in_the_opposite_order() -> None:
    notes: list[str] = []
    components = Components([Noted("a", notes), Noted("b", notes)])
    await components.start()
    await components.stop()
    await components.stop()
    assert notes == ["start a", "start b", "stop b", "stop a"]


async def test_failed_start_stops_those_before() -> None:
    notes: list[str] = []
    components = Components([Noted("a", notes), Noted("b", notes, "start"), Noted("c", notes)])
    with pytest.raises(ValueError, match="b"):
        await components.start()
    assert notes == ["start a", "start b", "stop a"]


async def test_failed_stop_does_not_keep_the_others() -> None:
    notes: list[str] = []
    components = Components([Noted("a", notes), Noted("b", notes, "stop")])
    await components.start()
    with pytest.raises(ExceptionGroup):
        await components.stop()
    assert notes[-1] == "stop a"


async def test_periodic_work_outlives_its_failures() -> None:
    done = asyncio.Event()
    count = 0

    async def work() -> None:
        nonlocal count
        count += 1
        if count >= 3:
            done.set()
        raise ValueError

    periodic = Periodic("test", 0.001, work)
    await periodic.start()
    await asyncio.wait_for(done.wait(), 5)
    await periodic.stop()
