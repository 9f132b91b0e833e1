"""Nothing is used in a version whose weakness is known and repaired, and all of it is listed."""

import json
import re
import runpy
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.version import Version

ROOT = Path(__file__).parents[2]
# The first version without a weakness that concerns us, and the weakness.
PYTHON = {
    "pyjwt": ("2.13.0", "CVE-2026-48526"),
    "protobuf": ("6.33.5", "CVE-2026-0994"),
    "web3": ("7.15.0", "CVE-2026-40072"),
    "redis": ("4.5.4", "CVE-2023-28859"),
    "sqlalchemy": ("1.2.18", "CVE-2019-7164"),
    "cryptography": ("42.0.4", "CVE-2024-26130"),
    "jinja2": ("3.1.6", "CVE-2025-27516"),
    "urllib3": ("2.5.0", "CVE-2025-50181"),
    "h2": ("4.3.0", "CVE-2025-57804"),
}
RUST = {
    "pyo3": ("0.24.1", "RUSTSEC-2025-0020"),
    "h2": ("0.4.4", "RUSTSEC-2024-0332"),
    "tonic": ("0.12.3", "RUSTSEC-2024-0376"),
    "rustls": ("0.23.18", "RUSTSEC-2024-0399"),
    "hashbrown": ("0.15.1", "RUSTSEC-2024-0402"),
    "crossbeam-channel": ("0.5.4", "RUSTSEC-2022-0019"),
}
# The weakness came with this version.
HASHBROWN_WEAK = Version("0.15.0")
LOCKED = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^\]]*\])?==([^ ;\\]+)", re.MULTILINE)


def locked() -> list[tuple[str, str]]:
    return LOCKED.findall((ROOT / "requirements.lock").read_text())


def crates() -> list[tuple[str, str]]:
    packages = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    return [(one["name"], one["version"]) for one in packages if "source" in one]


def old(found: list[tuple[str, str]], least: dict[str, tuple[str, str]]) -> list[str]:
    """Returns the packages that are older than they may be."""
    return [
        f"{name} {version}: {least[name][1]}"
        for name, version in found
        if name in least and Version(version) < Version(least[name][0])
    ]


def test_nothing_older_than_its_repair_is_used() -> None:
    """AUT-041."""
    assert len(locked()) > 100
    assert not old(locked(), PYTHON)
    weak = [one for one in old(crates(), RUST) if not one.startswith("hashbrown ")]
    assert not weak
    assert ("hashbrown", str(HASHBROWN_WEAK)) not in crates()


@pytest.mark.parametrize("name", ["pyjwt", "protobuf", "web3", "redis", "sqlalchemy"])
def test_what_is_installed_is_what_is_locked(name: str) -> None:
    """AUT-041."""
    installed = metadata.version(name)
    assert installed == dict(locked())[name]
    assert Version(installed) >= Version(PYTHON[name][0])


def test_an_old_version_is_seen() -> None:
    """The table would tell."""
    assert old([("pyjwt", "2.12.9"), ("web3", "8.0.0b1")], PYTHON) == [
        "pyjwt 2.12.9: CVE-2026-48526"
    ]


def test_the_list_of_components_has_both_languages() -> None:
    """AUT-042."""
    script = runpy.run_path(str(ROOT / "scripts/generate_sbom.py"))
    document = json.loads(script["document"]())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    listed = {one["purl"] for one in document["components"]}
    expected = {f"pkg:pypi/{name}@{version}" for name, version in locked()}
    expected |= {f"pkg:cargo/{name}@{version}" for name, version in crates()}
    assert {_plain(one) for one in listed} == {_plain(one) for one in expected}


def _plain(url: str) -> str:
    return url.replace("%2B", "+").replace("_", "-").lower()
