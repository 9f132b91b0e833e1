"""A hall with a real core."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest

from farmgate.app.settings import Settings
from farmgate.ports.clock import FakeClock
from service.users.hall import Hall, opened


@pytest.fixture
async def hall(make_settings: Callable[..., Settings], clock: FakeClock) -> AsyncIterator[Hall]:
    async with opened(make_settings(), clock) as found:
        yield found


@pytest.fixture
async def hall_on_any(
    make_settings: Callable[..., Settings], clock: FakeClock, any_database_url: str
) -> AsyncIterator[Hall]:
    settings = make_settings(database_url=any_database_url, history_url=any_database_url)
    async with opened(settings, clock) as found:
        yield found


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
