"""Makes docs/dashboards/farmgate.json, what Grafana shows, from one table of questions.

A test holds the committed file against this, and every figure it asks for against those there are.
"""

import json
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
TARGET: Final = ROOT / "docs/dashboards/farmgate.json"
_COLUMNS: Final = 24
_WIDTH, _HEIGHT = 12, 8
_FAULTS: Final = "INTERNAL|UNAVAILABLE|DEPENDENCY_DOWN|DEADLINE|ENGINE_STOPPED|NOT_LEADER"
_RATE: Final = "[$__rate_interval]"


def _share(which: str) -> str:
    every = f"sum(rate(farmgate_rpc_calls_total{_RATE}))"
    return f"sum(rate(farmgate_rpc_calls_total{{{which}}}{_RATE})) / {every}"


def _quantile(quantile: str) -> str:
    buckets = f"sum by (le, service, method) (rate(farmgate_rpc_seconds_bucket{_RATE}))"
    return f"topk(10, histogram_quantile({quantile}, {buckets}))"


_METHOD: Final = "{{service}}/{{method}}"
# Title, unit, and pairs of a question and how its lines are named.
PANELS: Final = (
    ("Calls", "reqps", ((f"sum by (service) (rate(farmgate_rpc_calls_total{_RATE}))", "{{service}}"),)),
    ("Faults, share of all calls", "percentunit", ((_share(f'outcome=~"{_FAULTS}"'), "faults"),)),
    ("Refusals by reason", "reqps", ((f'topk(10, sum by (outcome) (rate(farmgate_rpc_calls_total{{outcome!="OK"}}{_RATE})))', "{{outcome}}"),)),
    ("Calls under way", "short", (("sum by (service) (farmgate_rpc_open_calls)", "{{service}}"),)),
    ("Half of the calls are faster than", "s", ((_quantile("0.5"), _METHOD),)),
    ("99 of 100 calls are faster than", "s", ((_quantile("0.99"), _METHOD),)),
    ("Commands made durable", "ops", ((f"rate(farmgate_core_commands_total{_RATE})", "{{instance}}"),)),
    ("Time of a group to be durable", "s", ((f"rate(farmgate_core_sync_seconds_total{_RATE}) / rate(farmgate_core_groups_total{_RATE})", "{{instance}}"),)),
    ("Who leads", "short", (("farmgate_core_leading", "{{instance}}"), ("farmgate_core_epoch", "epoch of {{instance}}"))),
    ("Replica behind the journal", "short", (("farmgate_core_durable_sequence - farmgate_core_applied_sequence", "{{instance}}"),)),
    ("Dependencies", "short", (("farmgate_dependency_healthy", "{{name}} of {{instance}}"),)),
    ("Time of a look at a dependency", "s", (("farmgate_dependency_seconds", "{{name}} of {{instance}}"),)),
)  # fmt: skip


def dashboard() -> dict[str, Any]:
    """Returns the dashboard as Grafana reads it."""
    return {
        "uid": "farmgate",
        "title": "Farmgate",
        "schemaVersion": 39,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_source()]},
        "panels": [_panel(number, *panel) for number, panel in enumerate(PANELS)],
    }


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"}


def _panel(
    number: int, title: str, unit: str, questions: tuple[tuple[str, str], ...]
) -> dict[str, Any]:
    per_row = _COLUMNS // _WIDTH
    place = {"x": number % per_row * _WIDTH, "y": number // per_row * _HEIGHT}
    source = {"type": "prometheus", "uid": "${source}"}
    return {
        "id": number + 1,
        "title": title,
        "type": "timeseries",
        "datasource": source,
        "gridPos": place | {"w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": source, "expr": expr, "legendFormat": of}
            for index, (expr, of) in enumerate(questions)
        ],
    }


def document() -> str:
    """Returns the file."""
    return json.dumps(dashboard(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(document())
