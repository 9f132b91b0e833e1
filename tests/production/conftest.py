"""One production for the tests of this folder."""

from collections.abc import Iterator

import pytest

from postgres import Cluster
from production.stack import Stack, running
from redises import running as redis_running


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("production")
    cluster = Cluster.find()
    assert cluster, "scripts/install-test-tools installs PostgreSQL."
    (folder / "redis").mkdir()
    with (
        cluster.running() as url,
        redis_running(folder / "redis") as redis,
        running(folder, url, redis.address) as found,
    ):
        yield found
