"""Servers with people and the chain."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from chain_api import ChainApi, chain_api
from chains import OPERATOR
from farmgate.app.settings import Settings


@pytest.fixture
async def chain(make_settings: Callable[..., Settings], tmp_path: Any) -> AsyncIterator[ChainApi]:
    """A server with the chain inside the exchange."""
    key = tmp_path / "operator.key"
    key.write_text(OPERATOR.key.hex())
    async with chain_api(make_settings(chain_operator_key_file=key)) as made:
        yield made


@pytest.fixture
async def chain_on_any(
    make_settings: Callable[..., Settings], any_database_url: str
) -> AsyncIterator[ChainApi]:
    """The same on each kind of database."""
    async with chain_api(make_settings(database_url=any_database_url)) as made:
        yield made
