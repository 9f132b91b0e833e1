"""The operators' part in the process."""

from collections.abc import Awaitable, Callable

from farmgate.admin.announcement_service import AnnouncementServicer
from farmgate.admin.announcements import Announcements
from farmgate.admin.caching import Caching
from farmgate.admin.configuration import Apply, Configuration
from farmgate.admin.control_service import MarketControlServicer
from farmgate.admin.controls import Controls
from farmgate.admin.instrument_service import InstrumentServicer
from farmgate.admin.operations import Operations
from farmgate.admin.operations_service import OperationsServicer
from farmgate.admin.people import People
from farmgate.admin.report_service import ReportServicer
from farmgate.admin.reports import MAKE, PURGE, PURGE_SCHEDULE, Reports
from farmgate.admin.service import AdminServicer, AuditServicer, ConfigServicer
from farmgate.admin.settlements import Settlements
from farmgate.admin.statistics import Counter, Statistics
from farmgate.admin.trade_controls import TradeControls
from farmgate.app.parts.base import Base, Part
from farmgate.app.parts.notifications import operators_feed
from farmgate.app.revoking import Revoking
from farmgate.jobs.kinds import Job
from farmgate.market.facade import DayLimits, Listings
from farmgate.notifications.operator_events import OperatorEvents
from farmgate.ports.matching import Matching
from farmgate.trading.facade import History, TradeChanges


def part(
    base: Base, matching: Matching, history: History, counters: list[Counter],
    hold_to_levels: Callable[[], Awaitable[None]],
) -> Part:  # fmt: skip
    """Returns what operators do.

    Args:
        base: What it builds on.
        matching: The core.
        history: What the projector wrote.
        counters: What modules count for the statistics.
        hold_to_levels: Brings limits to the core after their settings changed.
    """
    database, clock, ids, users = base.database, base.clock, base.ids, base.users

    def revoke(user_id: str, version: int) -> None:
        Revoking(base)(user_id, below=version)

    async def trading(value: str) -> None:
        await controls.set_trading(is_enabled=value == "true")

    controls = Controls(matching, database, users, clock, ids)

    async def limits(_value: str) -> None:
        await hold_to_levels()

    keys = ("kyc.level1_order", "kyc.level1_daily", "kyc.level2_daily")
    apply: dict[str, Apply] = {"trading.enabled": trading, **dict.fromkeys(keys, limits)}
    listings = Listings(matching, database, clock)
    apply |= _following(listings)
    configuration = Configuration(database, clock, apply)
    changes = TradeChanges(matching, history)
    trades = TradeControls(changes, database, users, clock, ids)
    people = People(database, users, matching, clock, revoke)
    statistics = Statistics(database, history, matching, users, clock, counters)
    reports = Reports(database, history, matching, clock, ids, base.jobs)
    feed = operators_feed(base)
    return Part(
        servicers=[
            AdminServicer(people, statistics, OperatorEvents(database, feed), base.pager),
            AuditServicer(database, base.pager),
            ConfigServicer(configuration, base.pager),
            AnnouncementServicer(Announcements(database, clock, ids), base.pager),
            MarketControlServicer(controls, trades),
            InstrumentServicer(
                listings,
                Settlements(DayLimits(matching, database, clock, users), database, clock, ids),
                base.pager,
            ),
            OperationsServicer(
                Operations(database, clock), Caching(base.caches, database), base.pager
            ),
            ReportServicer(reports, base.pager),
        ],
        components=[feed],
        jobs=[Job(MAKE, reports.make), Job(PURGE, reports.purge)],
        schedules=work().schedules,
    )


def work() -> Part:
    """Returns when old reports are deleted, for the process that keeps schedules."""
    return Part(schedules=[PURGE_SCHEDULE])


def _following(listings: Listings) -> dict[str, Apply]:
    """Returns what brings settings to the instruments that follow them, by key."""

    async def follow(_value: str) -> None:
        await listings.follow_settings()

    names = (
        "maker_bps", "taker_bps", "band_pct", "volatility_auction_s", "market_protection_ticks",
    )  # fmt: skip
    return {f"trading.{name}": follow for name in names}
