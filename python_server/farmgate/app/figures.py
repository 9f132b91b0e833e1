"""Figures of the core and of what the exchange needs, for Prometheus."""

from collections.abc import Iterable
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from farmgate.health.facade import Health
from farmgate.ports.leading import LEADING
from farmgate.ports.matching import Matching

_NS: Final = 1_000_000_000
_US: Final = 1_000_000


class CoreFigures(Collector):
    """What the core counts, and whether it leads."""

    def __init__(self, matching: Matching) -> None:
        self._matching = matching

    def collect(self) -> Iterable[Metric]:
        """Returns the figures now."""
        found = self._matching.statistics()
        standing = self._matching.leadership.standing
        counters = (
            ("commands", "Commands made durable.", found["commands"]),
            ("groups", "Groups made durable.", found["groups"]),
            ("sync_seconds", "Time spent making groups durable.", found["sync_ns"] / _NS),
            ("snapshot_failures", "Snapshots that failed.", found["snapshot_failures"]),
        )
        gauges = (
            ("durable_sequence", "Last durable command.", found["durable_sequence"]),
            ("applied_sequence", "Last command that reads show.", found["applied_sequence"]),
            ("stopped", "Whether the journal failed.", found["stopped"]),
            ("leading", "Whether this process takes orders.", int(standing.role == LEADING)),
            ("epoch", "Epoch of its lease, or of its last one.", standing.epoch),
        )
        for name, words, value in counters:
            yield CounterMetricFamily(f"farmgate_core_{name}", words, value=value)
        for name, words, value in gauges:
            yield GaugeMetricFamily(f"farmgate_core_{name}", words, value=value)


class HealthFigures(Collector):
    """What the last look at the dependencies found; the server looks each second."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterable[Metric]:
        """Returns the figures now."""
        healthy = GaugeMetricFamily(
            "farmgate_dependency_healthy", "Whether it is well.", labels=("name",)
        )
        seconds = GaugeMetricFamily(
            "farmgate_dependency_seconds", "How long the look took.", labels=("name",)
        )
        for one in self._health.last:
            healthy.add_metric((one.name,), int(one.is_healthy))
            seconds.add_metric((one.name,), one.latency_us / _US)
        return (healthy, seconds)
