"""One trained process, whose databases each test gets a copy of: training takes seconds."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from farmgate.app.settings import Settings, load
from farmgate.ports.clock import FakeClock
from service.ai.harvest import Harvest, copied, market, opened, trained


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory, signing_key_file: Path) -> Path:
    def settings(**given: object) -> Settings:
        values = {
            "auth_signing_key_file": signing_key_file, "grpc_port": 0, "metrics_port": 0,
            "grace_s": 1.0, **given,
        }  # fmt: skip
        return load(environment={}, env_file=None, **values)

    return trained(tmp_path_factory.mktemp("trained") / "data", settings)


@pytest.fixture
async def harvest(
    trained_folder: Path, tmp_path: Path, make_settings: Callable[..., Settings], clock: FakeClock
) -> AsyncIterator[Harvest]:
    """A process with forecasts."""
    folder = copied(trained_folder, tmp_path / "data")
    settings = make_settings(data_dir=folder, jobs_in_process=True)
    async with opened(settings, market(), clock, people_count=100) as found:
        yield found


@pytest.fixture
async def bare(make_settings: Callable[..., Settings], clock: FakeClock) -> AsyncIterator[Harvest]:
    """A process that has prices and no forecasts yet."""
    async with opened(make_settings(jobs_in_process=True), market(), clock) as found:
        yield found
