"""Builds every object of the process once, in order.

A module joins the exchange in `_parts`, by its file in `parts`: it brings its servicers, whose
RAW_METHODS take and give bytes, the components that start and stop with the process, and what its
health depends on.
"""

from collections.abc import Callable, Sequence

from farmgate.app.application import Application, assemble
from farmgate.app.figures import CoreFigures
from farmgate.app.foundation import open_base
from farmgate.app.parts import accounts as leaving
from farmgate.app.parts import (
    admin,
    ai,
    auth,
    blockchain,
    contracts,
    core,
    jobs,
    ledger,
    market,
    notifications,
    proofs,
    statements,
    trading,
    users,
)
from farmgate.app.parts.base import Base, Part
from farmgate.app.parts.prices import forecast_prices
from farmgate.app.seeding.ground import Ground
from farmgate.app.seeding.runner import Seeding
from farmgate.app.settings import Settings
from farmgate.auth.facade import (
    Accounts,
)
from farmgate.ports.clock import Clock, SystemClock

__all__ = ["Application", "build"]


def build(
    settings: Settings,
    *,
    accounts: Accounts | None = None,
    clock: Clock | None = None,
    parts: Callable[[Base], Sequence[Part]] | None = None,
) -> Application:
    """Returns the process of these settings.

    Args:
        settings: The settings.
        accounts: Opens trading accounts; the matching core of this process when None.
        clock: Tells the time; the machine's clock when None.
        parts: Makes other modules than the exchange's, for a test that tries some by themselves.

    Raises:
        SettingsError: A key is not usable, or the journal is damaged or held by another process.
        DescriptorError: The API's descriptors and the servicers do not fit.
    """
    base = open_base(settings, clock or SystemClock())
    return assemble(base, parts(base) if parts else _parts(base, accounts))


def _parts(base: Base, accounts: Accounts | None) -> list[Part]:
    """Returns the modules, each below those that use it."""
    matching = core.open_matching(base.settings)
    base.metrics.register(CoreFigures(matching))
    chain = blockchain.open_chain(base)
    history, history_database = trading.open_history(base)
    people = users.open_users(base)
    levels = trading.open_levels(base, matching, people.kyc)
    parts = [
        core.part(matching),
        users.part(base, people),
        auth.part(base, accounts or levels, people.wallets),
        trading.part(base, matching, history, history_database, people),
        leaving.part(base, matching, history_database, contracts.open_count),
        ledger.part(base, matching, history),
        statements.part(base, matching, history, people.members, contracts.open_count),
        market.part(base, matching, history, history_database),
        users.goods(base, matching, market.unit_of),
        blockchain.part(base, chain),
        proofs.part(base, matching, history, history_database, people, chain),
        contracts.part(base, matching, chain, people),
        notifications.part(base, chain),
        admin.part(base, matching, history, [contracts.count], levels.run),
        ai.part(base, forecast_prices(base.database, history_database)),
        jobs.work(base),
        market.work(base),
    ]
    if base.settings.demo:
        parts.append(Part(components=[Seeding(Ground(base, matching))]))
    parts.append(trading.keep_levels(levels))
    return parts
