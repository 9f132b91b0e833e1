"""The first forecasts: asked for as soon as there are prices, not at the next look for them."""

from farmgate.ai.jobs import RENEW
from farmgate.app.seeding.ground import Ground


async def plant(ground: Ground) -> None:
    """Has prices looked at; what is found has a model trained and forecasts made."""
    base = ground.base
    if base.settings.demo_history:
        await base.database.write(lambda tx: base.jobs.enqueue(tx, RENEW, {}))
