"""Figures for Prometheus, on a port of their own that is not public."""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

# How long the listener may take to notice that it is to stop.
_POLL_S: Final = 0.1
# Seconds; half of them below the 5 ms in which an order is answered.
_BOUNDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class MethodMeter:
    """Counts the calls of one method.

    Plain integers changed by one thread, the event loop's, and read by the scraper: a tenth of the
    cost of the client library's locked counters, on every call.
    """

    __slots__ = ("_buckets", "by_outcome", "method", "open_count", "seconds_sum", "service")

    def __init__(self, service: str, method: str) -> None:
        self.service = service
        self.method = method
        self.open_count = 0
        self.seconds_sum = 0.0
        self.by_outcome: dict[str, int] = {}
        self._buckets = [0] * (len(_BOUNDS) + 1)

    def done(self, outcome: str, seconds: float) -> None:
        """Counts a call that ended.

        Args:
            outcome: "OK" or the reason of the refusal.
            seconds: How long it took.
        """
        self.by_outcome[outcome] = self.by_outcome.get(outcome, 0) + 1
        self.seconds_sum += seconds
        self._buckets[bisect_left(_BOUNDS, seconds)] += 1

    def cumulative(self) -> list[tuple[str, float]]:
        """Returns the histogram as Prometheus wants it: bound and count up to it."""
        total = 0
        rows: list[tuple[str, float]] = []
        for bound, count in zip((*map(str, _BOUNDS), "+Inf"), self._buckets, strict=True):
            total += count
            rows.append((bound, float(total)))
        return rows


class RpcMetrics(Collector):
    """The meters of all methods, in the form Prometheus collects."""

    def __init__(self) -> None:
        self._meters: list[MethodMeter] = []

    def meter(self, service: str, method: str) -> MethodMeter:
        """Returns a new meter."""
        meter = MethodMeter(service, method)
        self._meters.append(meter)
        return meter

    def collect(self) -> Iterable[Metric]:
        """Returns the figures now."""
        labels = ("service", "method")
        calls = CounterMetricFamily(
            "farmgate_rpc_calls", "Calls that ended.", labels=(*labels, "outcome")
        )
        running = GaugeMetricFamily("farmgate_rpc_open_calls", "Calls under way.", labels=labels)
        seconds = HistogramMetricFamily(
            "farmgate_rpc_seconds", "Time in the server.", labels=labels
        )
        for meter in self._meters:
            names = (meter.service, meter.method)
            for outcome, count in tuple(meter.by_outcome.items()):
                calls.add_metric((*names, outcome), count)
            if meter.by_outcome:
                running.add_metric(names, meter.open_count)
                seconds.add_metric(names, meter.cumulative(), meter.seconds_sum)
        return (calls, running, seconds)


class CacheMetrics(Collector):
    """The caches, in the form Prometheus collects.

    Args:
        figures: Returns those of every cache.
    """

    def __init__(self, figures: Callable[[], Iterable[Any]]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """Returns the figures now."""
        asked = CounterMetricFamily(
            "farmgate_cache_requests", "Questions to caches.", labels=("cache", "answer")
        )
        entries = GaugeMetricFamily("farmgate_cache_entries", "Values kept.", labels=("cache",))
        size = GaugeMetricFamily("farmgate_cache_bytes", "Size of values kept.", labels=("cache",))
        for cache in self._figures():
            asked.add_metric((cache.name, "hit"), cache.hits)
            asked.add_metric((cache.name, "shared_hit"), cache.shared_hits)
            asked.add_metric((cache.name, "miss"), cache.misses)
            entries.add_metric((cache.name,), cache.entries)
            size.add_metric((cache.name,), cache.size_bytes)
        return (asked, entries, size)


class _Listener(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - The name is the base's.
        """Writes nothing: a scrape every few seconds tells nobody anything."""


class MetricsServer:
    """Serves the figures over HTTP."""

    def __init__(self, registry: CollectorRegistry, *, host: str, port: int) -> None:
        self._registry = registry
        self._host = host
        self._port = port
        self._running: tuple[WSGIServer, Thread] | None = None

    @property
    def port(self) -> int:
        """Returns the port in use; the configured one until the server runs."""
        return self._running[0].server_port if self._running else self._port

    async def start(self) -> None:
        """Opens the port."""
        server = make_server(
            self._host,
            self._port,
            make_wsgi_app(self._registry),
            server_class=_Listener,
            handler_class=_QuietHandler,
        )
        thread = Thread(
            target=server.serve_forever,
            kwargs={"poll_interval": _POLL_S},
            name="metrics",
            daemon=True,
        )
        thread.start()
        self._running = (server, thread)

    async def stop(self) -> None:
        """Closes the port."""
        if self._running:
            server, thread = self._running
            await asyncio.to_thread(server.shutdown)
            server.server_close()
            thread.join()
            self._running = None
