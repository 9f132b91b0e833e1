"""The stream of one book: the book's part of market data, gap-free by sequences."""

from collections.abc import AsyncIterator
from typing import Final

from farmgate.api.market.v1 import market_pb2
from farmgate.api.trading.v1 import trading_pb2
from farmgate.ports.matching import Matching
from farmgate.rpc.call import Call
from farmgate.rpc.streams import SLOW_CONSUMER, steps

_BOOK_CHANNEL: Final = 1 << market_pb2.MARKET_CHANNEL_BOOK


class BookMethods:
    """Books as they change."""

    _matching: Matching

    async def WatchOrderBook(
        self, request: trading_pb2.WatchOrderBookRequest, call: Call
    ) -> AsyncIterator[trading_pb2.WatchOrderBookResponse]:
        symbol = request.symbol
        cursor = self._matching.watch_market([symbol], _BOOK_CHANNEL, request.from_sequence)
        async for data, _ in steps(self._matching, cursor, _beat, _end):
            for update in market_pb2.WatchMarketResponse.FromString(data).updates:
                if update.end_reason:
                    return
                if update.heartbeat or update.HasField("book"):
                    yield book_message(symbol, update)


def book_message(
    symbol: str, update: market_pb2.MarketUpdate
) -> trading_pb2.WatchOrderBookResponse:
    """Returns the step of a book's stream that market data tells of."""
    return trading_pb2.WatchOrderBookResponse(
        snapshot=update.book.snapshot,
        symbol=symbol,
        bids=update.book.bids,
        asks=update.book.asks,
        sequence=update.sequence,
        previous_sequence=update.previous_sequence,
        checksum=update.book.checksum,
        heartbeat=update.heartbeat,
    )


def _beat(sequence: int) -> bytes:
    update = market_pb2.MarketUpdate(sequence=sequence, heartbeat=True)
    return market_pb2.WatchMarketResponse(updates=[update]).SerializeToString()


def _end(reason: str) -> bytes:
    assert reason == SLOW_CONSUMER, "Books conflate for the slow; nothing else ends them."
    update = market_pb2.MarketUpdate(end_reason=reason)
    return market_pb2.WatchMarketResponse(updates=[update]).SerializeToString()
