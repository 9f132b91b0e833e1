"""Past prices over the API: candles, trades, summaries and settlements of what was traded."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp

from farmgate.api.market.v1 import market_pb2
from farmgate.api.types.v1 import types_pb2
from service.market.exchange import Market
from support import refused

CORN = "CORN-US2Y-CHI"


async def history(exchange: Market, interval: int, **given: object) -> list[market_pb2.PricePoint]:
    request = market_pb2.ListPriceHistoryRequest(symbol=CORN, interval=interval, **given)
    return list((await exchange.stub.ListPriceHistory(request)).points)


async def test_trades_become_candles_and_lists(exchange: Market) -> None:
    """MKT-025, MKT-026."""
    exchange.traded(CORN, exchange.clock.now(), (1_833, 5), (1_840, 2), (1_829, 3))
    (minute,) = await history(exchange, market_pb2.CANDLE_INTERVAL_1M)
    assert (minute.open, minute.high, minute.low, minute.close) == (
        "4.5825", "4.6", "4.5725", "4.5725",
    )  # fmt: skip
    assert (minute.volume_lots, minute.trade_count) == (10, 3)
    # 1833 x 5 + 1840 x 2 + 1829 x 3 = 18,332 ticks of 0.25 USD a lot; 1833.2 of 0.0025 a bushel.
    assert (minute.notional, minute.vwap) == ("4583", "4.583")
    for interval in range(1, 9):
        (one,) = await history(exchange, interval)
        assert (one.open, one.close, one.trade_count) == ("4.5825", "4.5725", 3)
    request = market_pb2.ListPublicTradesRequest(symbol=CORN, page_size=2)
    first = await exchange.stub.ListPublicTrades(request)
    assert [(one.price, one.quantity_lots) for one in first.trades] == [("4.5725", 3), ("4.6", 2)]
    request.page_token = first.next_page_token
    (last,) = (await exchange.stub.ListPublicTrades(request)).trades
    assert last.price == "4.5825"
    assert last.aggressor in {types_pb2.SIDE_BUY, types_pb2.SIDE_SELL}
    request = market_pb2.ListPublicTradesRequest(symbol=CORN, min_sequence=2**60)
    assert (await refused(exchange.stub.ListPublicTrades(request))).reason == "READ_BEHIND"


async def test_bad_questions_about_the_past_are_refused(exchange: Market) -> None:
    """MKT-027."""
    bad: list[tuple[dict[str, object], str]] = [
        ({"symbol": "GOLD"}, "INSTRUMENT_UNKNOWN"),
        ({"interval": 99}, "INVALID_ARGUMENT"),
        ({"to": Timestamp(seconds=-5)}, "INVALID_ARGUMENT"),
        ({"from": Timestamp(seconds=10), "to": Timestamp(seconds=5)}, "INVALID_ARGUMENT"),
        ({"page_token": "x"}, "PAGE_TOKEN_INVALID"),
    ]
    for given, reason in bad:
        request = market_pb2.ListPriceHistoryRequest(**{"symbol": CORN, **given})
        assert (await refused(exchange.stub.ListPriceHistory(request))).reason == reason, given
    far = {"from": Timestamp(seconds=253_402_300_799)}
    assert await history(exchange, market_pb2.CANDLE_INTERVAL_1W, **far) == []
    request = market_pb2.ListPublicTradesRequest(symbol="GOLD")
    assert (await refused(exchange.stub.ListPublicTrades(request))).reason == "INSTRUMENT_UNKNOWN"
    for date, reason in (
        ("2026-02-30", "INVALID_ARGUMENT"), ("2999-01-01", "OUT_OF_RANGE"),
        ("2002-01-01", "NOT_FOUND"),
    ):  # fmt: skip
        summary = market_pb2.GetDailySummaryRequest(symbol=CORN, date=date)
        assert (await refused(exchange.stub.GetDailySummary(summary))).reason == reason


async def summary_of(exchange: Market, symbol: str, date: str = "") -> market_pb2.DailySummary:
    request = market_pb2.GetDailySummaryRequest(symbol=symbol, date=date)
    return (await exchange.stub.GetDailySummary(request)).summary


async def test_a_day_is_settled_when_it_is_over(exchange: Market) -> None:
    """MKT-030, MKT-033: the closing window's mean first, then the last trade, then the prior."""
    clock = exchange.clock
    close = datetime(2026, 6, 10, tzinfo=UTC)
    clock.move((close - clock.now()).total_seconds() - 30)
    exchange.traded(CORN, close - timedelta(seconds=61), (1_700, 50))
    exchange.traded(CORN, close - timedelta(seconds=60), (1_832, 4))
    exchange.traded(CORN, close - timedelta(seconds=31), (1_833, 4), (1_833, 1))
    today = await summary_of(exchange, CORN)
    assert (today.settlement, today.volume_lots, today.limit_high) == ("", 59, "4.9025")
    assert await exchange.settling.run() == 0
    clock.move(31)
    assert await exchange.settling.run() > 0
    assert await exchange.settling.run() == 0
    # (1832 x 4 + 1833 x 5) / 9 = 1832.56: 4.5825.
    settled = await summary_of(exchange, CORN, "2026-06-09")
    assert (settled.settlement, settled.settlement_tier) == ("4.5825", "1")
    assert (settled.prev_settlement, settled.change) == ("", "")
    tomorrow = await summary_of(exchange, CORN)
    assert (tomorrow.prev_settlement, tomorrow.volume_lots) == ("4.5825", 0)
    clock.move(86_400)
    assert await exchange.settling.run() > 0
    second = await summary_of(exchange, CORN, "2026-06-10")
    assert (second.settlement, second.settlement_tier) == ("4.5825", "3")
    assert (second.change, second.change_pct) == ("0", "0")
    clock.move(3 * 86_400)
    assert await exchange.settling.run() == 3
    assert Decimal((await summary_of(exchange, CORN, "2026-06-13")).settlement) == Decimal("4.5825")
