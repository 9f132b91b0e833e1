"""Price alerts: a part of the market's gRPC face."""

from datetime import UTC, datetime
from typing import Final

from farmgate.api.market.v1 import market_pb2
from farmgate.errors import invalid
from farmgate.market import alert_rules
from farmgate.market.alert_rules import Rule
from farmgate.market.alert_store import Alert
from farmgate.market.alerts import Alerts, Wanted
from farmgate.market.messages import decimal, micro
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.users.messages import timestamp

_MICRO: Final = 1_000_000
_SECONDS_MAX: Final = 253_402_300_799
_STATUS: Final = "ALERT_STATUS_"


class AlertMethods:
    """Serves price alerts.

    Attributes:
        _alerts: Keeps them.
        _pager: Signs page tokens.
    """

    _alerts: Alerts
    _pager: Pager

    async def CreatePriceAlert(
        self, request: market_pb2.CreatePriceAlertRequest, call: Call
    ) -> market_pb2.CreatePriceAlertResponse:
        rule = Rule(
            condition=request.condition,
            threshold_micro=micro(request.threshold or "0"),
            high_micro=micro(request.threshold_high or "0"),
            window_s=request.window_s,
            trigger=request.trigger or alert_rules.ONCE,
            cooldown_s=request.cooldown_s,
        )
        expires_at = None
        if request.HasField("expire_time"):
            at = request.expire_time
            if not 0 <= at.seconds <= _SECONDS_MAX:
                raise invalid("expire_time", "must be within the next 90 days")
            expires_at = datetime.fromtimestamp(at.seconds, UTC)
        wanted = Wanted(
            request.symbol, request.source, rule, bool(request.threshold), request.note, expires_at
        )
        return await self._alerts.create(
            call.caller.user_id,
            wanted,
            call.effect(lambda one: market_pb2.CreatePriceAlertResponse(alert=alert_message(one))),
        )

    async def ListPriceAlerts(
        self, request: market_pb2.ListPriceAlertsRequest, call: Call
    ) -> market_pb2.ListPriceAlertsResponse:
        me = call.caller.user_id
        after = self._pager.after(request, request.page_token, caller=me)
        status = ""
        if request.status:
            status = market_pb2.AlertStatus.Name(request.status).removeprefix(_STATUS)
        limit = page_size(request.page_size)
        found = await self._alerts.page(
            me, status, before=str(after[0]) if after else "", limit=limit + 1
        )
        reply = market_pb2.ListPriceAlertsResponse(alerts=map(alert_message, found[:limit]))
        if len(found) > limit:
            reply.next_page_token = self._pager.token(request, (found[limit - 1].id,), caller=me)
        return reply

    async def UpdatePriceAlert(
        self, request: market_pb2.UpdatePriceAlertRequest, call: Call
    ) -> market_pb2.UpdatePriceAlertResponse:
        return await self._alerts.update(
            call.caller.user_id,
            request.alert_id,
            threshold_micro=micro(request.threshold) if request.threshold else None,
            note=request.note,
            is_paused=request.paused if request.HasField("paused") else None,
            expected=request.expected_version,
            effect=call.effect(
                lambda one: market_pb2.UpdatePriceAlertResponse(alert=alert_message(one))
            ),
        )

    async def DeletePriceAlert(
        self, request: market_pb2.DeletePriceAlertRequest, call: Call
    ) -> market_pb2.DeletePriceAlertResponse:
        return await self._alerts.delete(
            call.caller.user_id,
            request.alert_id,
            call.effect(lambda _: market_pb2.DeletePriceAlertResponse()),
        )


def alert_message(alert: Alert) -> market_pb2.PriceAlert:
    """Returns the message of an alert."""
    rule = alert.rule
    return market_pb2.PriceAlert(
        alert_id=alert.id,
        symbol=alert.symbol,
        source=market_pb2.AlertSource.ValueType(alert.source),
        condition=market_pb2.AlertCondition.ValueType(rule.condition),
        threshold=decimal(rule.threshold_micro, _MICRO),
        threshold_high=decimal(rule.high_micro, _MICRO) if rule.high_micro else "",
        window_s=rule.window_s,
        trigger=market_pb2.AlertTrigger.ValueType(rule.trigger),
        cooldown_s=rule.cooldown_s,
        note=alert.note,
        status=market_pb2.AlertStatus.Value(f"{_STATUS}{alert.status}"),
        expire_time=timestamp(alert.expires_at),
        last_fire_time=timestamp(alert.last_fired_at) if alert.last_fired_at else None,
        fire_count=alert.fire_count,
        version=alert.version,
    )
