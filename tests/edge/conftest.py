"""One server behind one Envoy for the tests that leave both as they are."""

from collections.abc import Iterator

import pytest

from edge.backend import Backend

ORIGIN = "https://shop.example"


@pytest.fixture(scope="session")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    made = Backend(tmp_path_factory.mktemp("edge"), origins=(ORIGIN,))
    with made.running():
        yield made
