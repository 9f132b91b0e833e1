"""A hall with a real core."""

from collections.abc import AsyncIterator, Callable

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
