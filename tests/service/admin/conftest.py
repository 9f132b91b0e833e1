"""Operators act on the core itself."""

from collections.abc import AsyncIterator, Callable

import pytest

from farmgate.app import wire
from farmgate.app.settings import Settings
from farmgate.ports.clock import FakeClock
from support import Api, running


@pytest.fixture
def accounts() -> None:
    """Accounts are those of the core."""


@pytest.fixture
async def demo(make_settings: Callable[..., Settings], clock: FakeClock) -> AsyncIterator[Api]:
    """The demonstration: instruments, people, books."""
    async with running(wire.build(make_settings(demo=True), clock=clock)) as api:
        yield api
