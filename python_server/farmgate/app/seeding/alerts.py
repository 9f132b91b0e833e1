"""Eight price alerts of the demonstration's people."""

from datetime import timedelta
from typing import Final

from sqlalchemy import Connection

from farmgate.app.seeding.ground import Ground
from farmgate.market import alert_rules, alert_store, alerts
from farmgate.market.alert_rules import Rule
from farmgate.market.alert_store import ARMED, Alert

_MICRO: Final = 1_000_000
# Whose, symbol, what it looks at, condition, threshold in millionths, window, trigger, note.
_ALERTS: Final = (
    ("farmer.jan", "CORN-US2Y-DSM", alerts.LAST, alert_rules.CROSSES_UP, 4_700_000, 0,
     alert_rules.ONCE, "Sell the rest of the crop."),
    ("farmer.jan", "CORN-US2Y-DSM", alerts.BID, alert_rules.BELOW, 4_300_000, 0,
     alert_rules.ONCE_PER_DAY, ""),
    ("farmer.amara", "SORGHUM-US2-KAN", alerts.LAST, alert_rules.PCT_UP, 3 * _MICRO, 86_400,
     alert_rules.ONCE_PER_DAY, "The market moves."),
    ("farmer.lea", "WHEAT-MILL-EU-ROU", alerts.SETTLEMENT, alert_rules.ABOVE, 230_000_000, 0,
     alert_rules.ONCE, ""),
    ("coop.heartland", "CORN-US2Y-CHI", alerts.BASIS, alert_rules.ABOVE, 200_000, 0,
     alert_rules.ONCE_PER_DAY, "Basis worth a call."),
    ("trader.meridian", "SOYBEAN-US2Y-NOLA", alerts.MID, alert_rules.OUTSIDE_RANGE, 9_900_000, 0,
     alert_rules.ONCE_PER_MINUTE, ""),
    ("trader.meridian", "ZC1", alerts.REFERENCE, alert_rules.CROSSES_DOWN, 4_400_000, 0,
     alert_rules.ONCE, ""),
    ("trader.riverside", "CORN-US2Y-CHI", alerts.LAST, alert_rules.VOLUME_ABOVE, 500 * _MICRO,
     3_600, alert_rules.ONCE_PER_DAY, ""),
)  # fmt: skip
_RANGE_HIGH_MICRO: Final = 10_700_000
_LIFE: Final = timedelta(days=60)


async def plant(ground: Ground) -> None:
    """Adds the alerts that their owners do not have yet."""
    now, sequence = ground.base.clock.now(), ground.matching.applied_sequence()
    found = []
    for name, symbol, source, condition, threshold, window_s, trigger, note in _ALERTS:
        owner = await ground.person(name)
        high = _RANGE_HIGH_MICRO if condition == alert_rules.OUTSIDE_RANGE else 0
        rule = Rule(condition, threshold, high, window_s, trigger, 0)
        found.append(
            Alert(
                ground.base.ids.ulid(), owner.id, symbol, source, rule, note, ARMED, now + _LIFE,
                now, sequence,
            )
        )  # fmt: skip

    def add(connection: Connection) -> None:
        owners = {one.user_id for one in found}
        known = {
            one
            for one in owners
            if alert_store.page(connection, one, status="", before="", now=now, limit=1)
        }
        for one in found:
            if one.user_id not in known:
                alert_store.add(connection, one)

    await ground.base.database.write(add)
