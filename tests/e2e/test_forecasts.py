"""Prices come in, a model is trained, forecasts are read: all through REST, real processes."""

import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from browser import rendered
from e2e.exchange import Exchange, Reply, running

SERIES = "ZC1"
ROOT = Path(__file__).parents[2]
# Training has the lowest priority of the machine.
TRAINING_S = 240


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with running(tmp_path_factory.mktemp("forecasts")) as found:
        yield found


def awaited(exchange: Exchange, path: str, token: str, is_done: Any) -> Reply:
    """Asks until an answer does."""
    until = time.monotonic() + TRAINING_S
    while time.monotonic() < until:
        reply = exchange.call("GET", path, token=token)
        if is_done(reply):
            return reply
        time.sleep(1)
    raise AssertionError(f"{path}: {reply}\n{exchange.logs()}")


def is_there(reply: Reply) -> bool:
    return reply.status == 200


def days_from_now(count: int) -> list[str]:
    """Returns the last business days before today's, oldest first."""
    day, found = datetime.now(UTC).date(), []
    while len(found) < count:
        day -= timedelta(days=1)
        if day.weekday() < 5:
            found.append(day.isoformat())
    return found[::-1]


def test_prices_become_forecasts_through_rest(farm: Exchange) -> None:
    """AIM-040: Ingest, Retrain, GetForecast, Explain, GetAccuracy."""
    admin, user = farm.token("admin"), farm.token("farmer.jan")
    path = f"/v1/market/reference/{SERIES}"
    known = {
        one["date"]: one["value"]
        for one in farm.call("GET", f"{path}?page_size=500").body["points"]
    }
    assert len(known) > 100
    # Prices of two days come in, as their source corrected them.
    days = days_from_now(2)
    points = [{"date": day, "value": "4.81"} for day in days]
    stored = farm.call("POST", f"{path}/points", {"points": points}, token=admin)
    assert (stored.status, stored.body["stored_count"]) == (200, 2), stored
    again = farm.call("POST", f"{path}/points", {"points": points}, token=admin)
    assert again.body["unchanged_count"] == 2
    refusal = farm.call("POST", f"{path}/points", {"points": points}, token=user)
    assert (refusal.status, refusal.reason) == (403, "PERMISSION_DENIED")

    # The demonstration's own first training may be under way.
    first = awaited(farm, f"/v1/ai/forecast?symbol={SERIES}", user, is_there)
    wish = {"frequency": "D", "reason": "Prices came in."}
    asked = farm.call("POST", "/v1/ai/retrain", wish, token=admin)
    assert asked.status == 200, asked
    run = f"/v1/ai/runs/{asked.body['run']['run_id']}"
    done = awaited(farm, run, admin, lambda reply: "end_time" in reply.body.get("run", {}))
    assert done.body["run"]["state"] in {
        "TRAINING_RUN_STATE_SUCCEEDED", "TRAINING_RUN_STATE_REJECTED",
    }  # fmt: skip
    forecast = farm.call("GET", f"/v1/ai/forecast?symbol={SERIES}&horizon=10", token=user).body[
        "forecast"
    ]
    assert forecast["model_version"].startswith("D-")
    assert first.body["forecast"]["symbol"] == forecast["symbol"] == SERIES
    assert len(forecast["points"]) == 10
    assert all(
        date.fromisoformat(point["target_date"]).weekday() < 5 for point in forecast["points"]
    )
    explain = f"/v1/ai/explain?forecast_id={forecast['forecast_id']}&step=5"
    told = farm.call("GET", explain, token=user).body
    total = float(told["base_price"]) + float(told["unexplained"])
    total += sum(float(part["price_effect"]) for part in told["contributions"])
    assert total == pytest.approx(float(told["median"]), abs=1e-5)
    assert told["median"] == forecast["points"][4]["median"]
    accuracy = farm.call("GET", f"/v1/ai/accuracy?symbol={SERIES}").body
    assert len(accuracy["horizons"]) == 30
    assert 0.5 < accuracy["horizons"][0]["coverage_80"] <= 1


def test_a_browser_draws_the_fan_chart(farm: Exchange, tmp_path: Path) -> None:
    """AIM-007."""
    user = farm.token("farmer.jan")
    path = f"/v1/ai/forecast/chart?symbol={SERIES}&history_days=120"
    awaited(farm, f"/v1/ai/forecast?symbol={SERIES}", user, is_there)
    headers = {"authorization": f"Bearer {user}"}
    reply = httpx.get(farm.rest + path, headers=headers, timeout=10)
    assert reply.headers["content-type"] == "image/svg+xml"
    file = tmp_path / "fan.svg"
    file.write_bytes(reply.content)
    document, console, picture = rendered(file.as_uri(), tmp_path)
    assert not console
    assert document.count("<polygon") == 3
    # A white page of this size takes less than 10 kB.
    assert len(picture) > 15_000


def test_nonsense_is_refused_through_rest(farm: Exchange) -> None:
    """AIM-003, AIM-009, AIM-039."""
    admin, user = farm.token("admin"), farm.token("farmer.jan")
    long = "X" * 65
    cases: list[tuple[str, str, object, str, int, str]] = [
        ("GET", f"/v1/ai/forecast?symbol={SERIES}", None, "", 401, "UNAUTHENTICATED"),
        ("GET", "/v1/ai/forecast?symbol=GOLD", None, user, 404, "NOT_FOUND"),
        ("GET", f"/v1/ai/forecast?symbol={long}", None, user, 400, "INVALID_ARGUMENT"),
        (
            "GET",
            f"/v1/ai/forecast?symbol={SERIES}&horizon=31",
            None,
            user,
            400,
            "HORIZON_UNSUPPORTED",
        ),
        ("GET", f"/v1/ai/forecast?symbol={SERIES}&horizon=x", None, user, 400, "INVALID_ARGUMENT"),
        ("POST", "/v1/ai/retrain", {"reason": "Let me train."}, user, 403, "PERMISSION_DENIED"),
        ("POST", "/v1/ai/retrain", {"reason": "?"}, admin, 400, "INVALID_ARGUMENT"),
        ("GET", "/v1/ai/explain?forecast_id=none", None, user, 400, "INVALID_ARGUMENT"),
    ]
    for method, path, body, token, status, reason in cases:
        reply = farm.call(method, path, body, token=token)
        assert (reply.status, reply.reason) == (status, reason), (path, reply)


def test_the_tutorial_runs_as_it_stands(farm: Exchange) -> None:
    """CLI-012."""
    user = farm.token("farmer.jan")
    path = "/v1/ai/forecast?symbol=CORN-US2Y-CHI"
    awaited(farm, path, user, lambda reply: reply.status == 200)
    text = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 7
    # As at the prompt of `python -m asyncio`: one statement after another, each awaited.
    script = "async def main():\n" + textwrap.indent("\n".join(blocks), "    ")
    script += "\n\nimport asyncio\nasyncio.run(main())\n"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=180,
        env=os.environ | {"FARMGATE_ADDRESS": farm.grpc},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "lowest in month" in done.stdout
    assert "filled" in done.stdout
