"""Forecasts' part in the process, and in the worker."""

from farmgate.ai.forecasts import Forecasts
from farmgate.ai.jobs import RENEW, SCHEDULES, TRAIN, WEEKLY
from farmgate.ai.models_service import ModelServicer
from farmgate.ai.renewal import Renewal
from farmgate.ai.service import ForecastServicer
from farmgate.ai.sources import PriceSource
from farmgate.ai.store import last_line
from farmgate.ai.trainer import Trainer
from farmgate.ai.training import Training
from farmgate.ai.workshop import Workshop
from farmgate.app.parts.base import Base, Part
from farmgate.jobs.feed import Feed
from farmgate.jobs.kinds import Job


def part(base: Base, source: PriceSource) -> Part:
    """Returns the RPCs of forecasts and models, and their background work."""
    database = base.database
    training = Training(database, source, base.jobs, base.clock, base.ids)
    feed = Feed("training", lambda: database.read(last_line))
    background = work(base, source)
    return Part(
        servicers=[
            ForecastServicer(Forecasts(database, source, base.clock)),
            ModelServicer(training, feed, base.pager),
        ],
        components=[feed],
        jobs=background.jobs,
        schedules=background.schedules,
    )


def work(base: Base, source: PriceSource) -> Part:
    """Returns what is done in the background; it needs no core."""
    database, clock, ids = base.database, base.clock, base.ids
    workshop = Workshop(base.settings.data_dir / "training")
    training = Training(database, source, base.jobs, clock, ids)
    trainer = Trainer(database, source, workshop, base.jobs, clock, ids)
    renewal = Renewal(database, source, workshop, training, clock, ids)
    return Part(
        jobs=[
            Job(TRAIN, trainer.train),
            Job(RENEW, renewal.renew),
            Job(WEEKLY, renewal.weekly),
        ],
        schedules=SCHEDULES,
    )
