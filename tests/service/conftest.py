"""A hall whose days are those of its core."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest

from farmgate.app.settings import Settings
from farmgate.ports.clock import FakeClock
from service.users.hall import Hall, opened


@pytest.fixture
def real_clock() -> FakeClock:
    """Begins with the machine's time, which the core tells."""
    return FakeClock(datetime.now(UTC))


@pytest.fixture
async def books(
    make_settings: Callable[..., Settings], real_clock: FakeClock
) -> AsyncIterator[Hall]:
    """A hall whose days are those of its core, and which does its jobs itself."""
    async with opened(make_settings(jobs_in_process=True), real_clock) as found:
        yield found
