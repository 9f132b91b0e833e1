"""One exchange for the tests that leave it as it is."""

from collections.abc import Iterator

import pytest

from e2e.exchange import Exchange, running


@pytest.fixture(scope="session")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with running(tmp_path_factory.mktemp("exchange")) as found:
        yield found
