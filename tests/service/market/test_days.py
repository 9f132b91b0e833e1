"""Days of trading: settlements move limits, calendars move phases, people are told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text, update

from farmgate.api.market.v1 import market_pb2
from farmgate.api.trading.v1 import trading_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.market import settlement_store
from farmgate.market.sessions import Sessions
from farmgate.market.tables import instruments
from farmgate.ports.matching import InstrumentMarket, Matching
from service.market.exchange import Market

CORN = "CORN-US2Y-CHI"


def market_of(exchange: Market, symbol: str = CORN) -> InstrumentMarket:
    (found,) = exchange.matching.instruments([symbol])
    return found


def limits(exchange: Market) -> tuple[str, str]:
    found = market_of(exchange)
    return found["limit_low"], found["limit_high"]


@pytest.fixture(autouse=True)
async def _kept(exchange: Market) -> None:
    """Keeps what is announced: it goes on to people at any moment, and is gone then."""

    def keep(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE announced AS SELECT * FROM outbox WHERE 0"))
        connection.execute(
            text(
                "CREATE TRIGGER announcing AFTER INSERT ON outbox BEGIN "
                "INSERT INTO announced SELECT * FROM outbox WHERE rowid = NEW.rowid; END"
            )
        )

    await exchange.ground.base.database.write(keep)


async def announced(exchange: Market, kind: str) -> list[Any]:
    query = text("SELECT * FROM announced WHERE type = :kind").bindparams(kind=kind)
    return await exchange.ground.base.database.read(lambda tx: list(tx.execute(query)))


async def test_limits_follow_each_settlement_into_the_core(exchange: Market) -> None:
    """A5, MKT-034: initial limits, then the expanded ones, then the initial ones again."""
    clock = exchange.clock
    midnight = datetime(2026, 6, 10, tzinfo=UTC)
    clock.move((midnight - clock.now()).total_seconds() - 30)
    exchange.traded(CORN, midnight - timedelta(seconds=40), (1_832, 4))
    clock.move(31)
    await exchange.settling.run()
    # 4.58: 30 cents.
    assert limits(exchange) == ("4.2800", "4.8800")
    (row,) = await exchange.ground.base.database.read(
        lambda tx: settlement_store.since(tx, CORN, "2026-06-09")
    )
    assert 0 < row.limits_sequence <= exchange.matching.applied_sequence()
    # The next day settles at its limit, 4.88: 7 % of the mean 4.73 is 0.3311, so 0.35; 0.55.
    exchange.traded(CORN, midnight + timedelta(seconds=86_400 - 20), (1_952, 4))
    clock.move(86_400)
    await exchange.settling.run()
    assert limits(exchange) == ("4.3300", "5.4300")
    hits = await announced(exchange, "market.price_limit_hit")
    assert {one.role for one in hits} == {"FARMER", "TRADER", "COOP_MANAGER"}
    assert all('"limit":"4.88"' in one.data and '"side":"up"' in one.data for one in hits)
    # A day away from its limits: 7 % of 4.7533 is 0.3327, so 0.35.
    exchange.traded(CORN, midnight + timedelta(seconds=2 * 86_400 - 20), (1_920, 4))
    clock.move(86_400)
    await exchange.settling.run()
    assert limits(exchange) == ("4.4500", "5.1500")


async def test_limits_come_into_force_after_a_crash(exchange: Market) -> None:
    """MKT-034: the row is there, and the process ended before the core heard of it."""
    clock, database = exchange.clock, exchange.ground.base.database
    await exchange.settled(CORN, 1_832)
    before = limits(exchange)

    def widen(connection: Any) -> None:
        row = settlement_store.before(connection, CORN, "9999-12-31", 1)[0]
        settlement_store.put(connection, settlement_store.DailySettlement(**{
            name: getattr(row, name) for name in row.__slots__
        } | {"next_low_ticks": 1_700, "next_high_ticks": 1_900, "limits_sequence": 0}))  # fmt: skip

    await database.write(widen)
    await exchange.settling.run()
    assert limits(exchange) == ("4.2500", "4.7500")
    assert limits(exchange) != before
    sequence = exchange.matching.applied_sequence()
    clock.move(1)
    await exchange.settling.run()
    assert exchange.matching.applied_sequence() == sequence, "once"


async def order(matching: Matching, account: int, side: int, price: str) -> Any:
    request = trading_pb2.CreateOrderRequest(
        symbol=CORN, side=types_pb2.Side.ValueType(side), type=trading_pb2.ORDER_TYPE_LIMIT,
        price=price, quantity_lots=1,
    )  # fmt: skip
    reply = await matching.create_order(account, b"", request.SerializeToString())
    return trading_pb2.CreateOrderResponse.FromString(reply).order


@pytest.mark.soak
async def test_calendars_move_phases(exchange: Market) -> None:
    """MKT-035, MKT-036: a day of an Indian market, a halt, a holiday, the last day."""
    clock, database, matching = exchange.clock, exchange.ground.base.database, exchange.matching
    assets = exchange.ground.assets()
    accounts = []
    for owner in (101, 102):
        account = await matching.open_account(bytes([owner] * 16), owner=owner, max_open_orders=9)
        for code in ("USD", "CORN.US2Y.CHI"):
            await matching.transfer(account, assets[code], 10**12, b"")
        accounts.append(account)

    def describe(connection: Any) -> None:
        connection.execute(
            update(instruments).where(instruments.c.symbol == CORN).values(
                calendar_code="MANDI_DAY",
                last_trade_at=datetime(2026, 10, 5, 6, tzinfo=UTC),
            )
        )  # fmt: skip

    await database.write(describe)
    sessions = Sessions(matching, database, clock)

    async def phase_at(text: str) -> str:
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
        clock.move((moment - clock.now()).total_seconds())
        await sessions.run()
        await matching.caught_up()
        name = market_pb2.InstrumentPhase.Name(market_of(exchange)["phase"])
        return name.removeprefix("INSTRUMENT_PHASE_")

    assert await phase_at("2026-09-30T03:00") == "CLOSED"
    assert await phase_at("2026-09-30T03:20") == "PRE_OPEN"
    for account, side in zip(accounts, (1, 2), strict=True):
        assert (await order(matching, account, side, "4.6")).filled_lots == 0
    assert await phase_at("2026-09-30T03:30") == "OPEN"
    await matching.caught_up()
    assert market_of(exchange)["last"] == "4.6000", "the opening auction"
    assert await phase_at("2026-09-30T11:21") == "AUCTION"
    for account, side in zip(accounts, (1, 2), strict=True):
        assert (await order(matching, account, side, "4.7")).filled_lots == 0
    assert await phase_at("2026-09-30T11:30") == "CLOSED"
    assert market_of(exchange)["last"] == "4.7000", "the closing auction"
    starts = await announced(exchange, "market.auction_started")
    assert {one.role for one in starts} == {"FARMER", "TRADER", "COOP_MANAGER"}
    assert all('"ends_at":"2026-09-30T11:30:00+00:00"' in one.data for one in starts)
    assert await phase_at("2026-10-01T06:00") == "OPEN"
    await matching.set_phase(market_of(exchange)["number"], market_pb2.INSTRUMENT_PHASE_HALTED)
    assert await phase_at("2026-10-01T06:01") == "HALTED"
    await matching.set_phase(market_of(exchange)["number"], market_pb2.INSTRUMENT_PHASE_OPEN)
    assert await phase_at("2026-10-02T06:00") == "CLOSED", "a holiday"
    assert await phase_at("2026-10-04T06:30") == "CLOSED", "a Sunday"
    ending = await announced(exchange, "market.instrument_expiring")
    told = {(one.role, one.about) for one in ending}
    assert len(told) == 6, "five days and one day before, to three roles"
    assert await phase_at("2026-10-05T05:00") == "OPEN"
    assert (await order(matching, accounts[0], 1, "4.5")).order_id
    assert await phase_at("2026-10-05T06:00") == "EXPIRED"
    assert matching.usage(market_of(exchange)["number"]) == (0, 0)
    others = {one["phase"] for one in matching.instruments() if one["symbol"] != CORN}
    assert others == {market_pb2.INSTRUMENT_PHASE_OPEN}
