"""What is watched, and when it rings: generated, true to the figures there are, and tried."""

import re
import runpy
import shutil
import subprocess
from pathlib import Path

import httpx
import yaml

from farmgate.app import wire
from farmgate.telemetry.metrics import MetricsServer
from support import FakeAccounts, running

ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((ROOT / "monitoring/rules.yml").read_text())
DASHBOARD = runpy.run_path(str(ROOT / "scripts/generate_dashboards.py"))
FIGURE = re.compile(r"\bfarmgate_\w+")


def promtool(*arguments: str) -> None:
    """Runs promtool, which fails with what is wrong."""
    program = shutil.which("promtool")
    assert program, "scripts/install-test-tools installs it."
    done = subprocess.run(
        [program, *arguments], cwd=ROOT / "monitoring", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_ring_when_they_must_and_only_then() -> None:
    """OPS-192."""
    promtool("check", "rules", "rules.yml")
    promtool("test", "rules", "tests.yml")


def test_every_rule_is_tried() -> None:
    """OPS-192."""
    tests = yaml.safe_load((ROOT / "monitoring/tests.yml").read_text())["tests"]
    for is_ringing in (True, False):
        tried = {
            case["alertname"]
            for test in tests
            for case in test["alert_rule_test"]
            if bool(case["exp_alerts"]) is is_ringing
        }
        assert tried == {rule["alert"] for rule in RULES["groups"][0]["rules"]}


def test_the_configuration_names_what_compose_runs() -> None:
    """OPS-192."""
    found = yaml.safe_load((ROOT / "monitoring/prometheus.yml").read_text())
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    targets = [
        target
        for job in found["scrape_configs"]
        for static in job["static_configs"]
        for target in static["targets"]
    ]
    assert {target.split(":")[0] for target in targets} <= set(compose)


def test_the_dashboard_is_up_to_date() -> None:
    """OPS-193."""
    committed = DASHBOARD["TARGET"].read_text()
    assert committed == DASHBOARD["document"](), "run `make docs`"


async def test_figures_that_are_asked_for_are_there(
    make_settings, accounts: FakeAccounts, clock
) -> None:
    """OPS-193."""
    asked = set(FIGURE.findall((ROOT / "monitoring/rules.yml").read_text()))
    asked |= set(FIGURE.findall(DASHBOARD["document"]()))
    async with running(wire.build(make_settings(), accounts=accounts, clock=clock)) as api:
        await api.person()
        (server,) = [
            one for one in api.application._components._components if isinstance(one, MetricsServer)
        ]
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"http://127.0.0.1:{server.port}/metrics")).text
    told = set(FIGURE.findall(text))
    assert asked <= told, asked - told
    assert 'farmgate_dependency_healthy{name="disk"} 1.0' in text
    assert "farmgate_core_leading 1.0" in text
