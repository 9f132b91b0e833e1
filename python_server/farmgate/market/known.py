"""What is asked of the market again and again, kept for a while."""

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Final

from sqlalchemy import Connection

from farmgate.db.engine import Database
from farmgate.market import store
from farmgate.ports.cache import Cache, Codec
from farmgate.rpc.replies import Replies

# Rows of the instruments' table by symbol; each has its columns as attributes.
Described = Mapping[str, Any]
_ALL: Final = "all"


def _dumps(described: Described) -> bytes:
    return json.dumps({symbol: vars(row) for symbol, row in described.items()}).encode()


def _loads(data: bytes) -> Described:
    return {symbol: SimpleNamespace(**row) for symbol, row in json.loads(data).items()}


DESCRIPTIONS: Final = Codec[Described](_dumps, _loads)


class Known:
    """What is kept.

    Args:
        database: Where descriptions are.
        instruments: Keeps those of instruments.
        reference: Keeps replies about what the market is described by.
        prices: Keeps prices of intervals that are over.
        summaries: Keeps summaries of days that are over.
    """

    def __init__(
        self, database: Database, instruments: Cache[Described], reference: Replies,
        prices: Replies, summaries: Replies,
    ) -> None:  # fmt: skip
        self._database = database
        self._instruments = instruments
        self.reference = reference
        self.prices = prices
        self.summaries = summaries

    async def described(self) -> Described:
        """Returns how instruments are described, by symbol."""
        return await self._instruments.get(_ALL, self._descriptions)

    async def _descriptions(self) -> Described:
        return await self._database.read(_described)


def _described(connection: Connection) -> Described:
    rows = store.descriptions(connection).items()
    return {symbol: SimpleNamespace(**row._asdict()) for symbol, row in rows}
