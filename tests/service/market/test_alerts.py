"""Price alerts over the API, and judged on updates of the market."""

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from farmgate.api.market.v1 import market_pb2
from farmgate.db import outbox
from farmgate.market.alert_watch import AlertWatch
from service.market.exchange import Market
from support import SignedIn, refused

CORN = "CORN-US2Y-CHI"


def wanted(**given: Any) -> market_pb2.CreatePriceAlertRequest:
    return market_pb2.CreatePriceAlertRequest(**{
        "symbol": CORN, "source": market_pb2.ALERT_SOURCE_LAST,
        "condition": market_pb2.ALERT_CONDITION_CROSSES_UP, "threshold": "4.6", **given,
    })  # fmt: skip


async def made(exchange: Market, person: SignedIn, **given: Any) -> market_pb2.PriceAlert:
    reply = await exchange.stub.CreatePriceAlert(wanted(**given), metadata=person.metadata)
    alert: market_pb2.PriceAlert = reply.alert
    return alert


async def test_alerts_are_made_changed_listed_and_deleted(exchange: Market) -> None:
    """MKT-063."""
    person, stranger = await exchange.api.person(), await exchange.api.person()
    stub, metadata = exchange.stub, person.metadata
    alert = await made(exchange, person, note="Sell.")
    assert (alert.threshold, alert.status, alert.version) == (
        "4.6", market_pb2.ALERT_STATUS_ARMED, 1,
    )  # fmt: skip
    change = market_pb2.UpdatePriceAlertRequest(
        alert_id=alert.alert_id, threshold="4.7", paused=True, expected_version=1
    )
    changed = (await stub.UpdatePriceAlert(change, metadata=metadata)).alert
    assert (changed.threshold, changed.status, changed.note) == (
        "4.7", market_pb2.ALERT_STATUS_PAUSED, "Sell.",
    )  # fmt: skip
    refusal = await refused(stub.UpdatePriceAlert(change, metadata=metadata))
    assert refusal.reason == "VERSION_CONFLICT"
    listing = market_pb2.ListPriceAlertsRequest(status=market_pb2.ALERT_STATUS_PAUSED)
    assert len((await stub.ListPriceAlerts(listing, metadata=metadata)).alerts) == 1
    assert not (await stub.ListPriceAlerts(listing, metadata=stranger.metadata)).alerts
    drop = market_pb2.DeletePriceAlertRequest(alert_id=alert.alert_id)
    foreign = await refused(stub.DeletePriceAlert(drop, metadata=stranger.metadata))
    assert foreign.reason == "NOT_FOUND"
    await stub.DeletePriceAlert(drop, metadata=metadata)
    gone = await refused(stub.DeletePriceAlert(drop, metadata=metadata))
    assert gone.reason == "NOT_FOUND"
    assert (await refused(stub.CreatePriceAlert(wanted()))).reason == "UNAUTHENTICATED"


async def test_alerts_that_cannot_fire_are_refused(exchange: Market) -> None:
    """MKT-064."""
    person = await exchange.api.person()
    bad: list[tuple[dict[str, Any], str]] = [
        ({"symbol": "GOLD"}, "INSTRUMENT_UNKNOWN"),
        ({"symbol": "X", "source": market_pb2.ALERT_SOURCE_REFERENCE}, "NOT_FOUND"),
        ({"source": market_pb2.ALERT_SOURCE_FORECAST}, "INVALID_ARGUMENT"),
        ({"threshold": ""}, "INVALID_ARGUMENT"),
        ({"condition": market_pb2.ALERT_CONDITION_OUTSIDE_RANGE}, "INVALID_ARGUMENT"),
        ({"condition": market_pb2.ALERT_CONDITION_PCT_UP}, "INVALID_ARGUMENT"),
        ({"expire_time": Timestamp(seconds=5)}, "INVALID_ARGUMENT"),
        ({"expire_time": Timestamp(seconds=2**40)}, "INVALID_ARGUMENT"),
    ]
    for given, reason in bad:
        assert (await refused(made(exchange, person, **given))).reason == reason, given
    for _ in range(50):
        await made(exchange, person)
    assert (await refused(made(exchange, person))).reason == "ALERT_LIMIT"


async def test_a_crossing_is_told_once_also_after_a_crash(exchange: Market) -> None:
    """MKT-065: judged on every trade; what is stored goes with the sequence it is true at."""
    person = await exchange.api.person()
    alert = await made(exchange, person)
    database, base = exchange.ground.base.database, exchange.ground.base
    start = exchange.matching.applied_sequence()

    def update(ahead: int, price: str) -> market_pb2.MarketUpdate:
        made_ = market_pb2.MarketUpdate(sequence=start + ahead, symbol=CORN)
        made_.trades.add(price=price, quantity_lots=1)
        return made_

    for _ in range(2):
        watch = AlertWatch(database, exchange.matching, base.clock)
        await watch.load()
        await watch.judge([update(1, "4.55"), update(2, "4.65"), update(3, "4.55")])
    found = await database.read(lambda tx: outbox.oldest(tx, 100))
    told = [one for _, one in found if one.type == "alert.triggered"]
    reply = await exchange.stub.ListPriceAlerts(
        market_pb2.ListPriceAlertsRequest(), metadata=person.metadata
    )
    assert reply.alerts[0].fire_count == 1
    assert reply.alerts[0].status == market_pb2.ALERT_STATUS_TRIGGERED
    assert len(told) <= 1
    assert all(one.data["alert_id"] == alert.alert_id for one in told)
