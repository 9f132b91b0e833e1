"""Fixtures: an application on a real port, on SQLite and on PostgreSQL."""

import os
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from farmgate.app import wire
from farmgate.app.settings import Settings, load
from farmgate.ports.clock import FakeClock
from farmgate.telemetry import logs
from postgres import Cluster
from support import Api, FakeAccounts, running


@pytest.fixture(scope="session", autouse=True)
def _logs() -> None:
    """Logs as a process does; a test that fails shows the warnings."""
    logs.configure(level="WARNING")


@pytest.fixture(scope="session")
def signing_key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One key for all: making one takes as long as a test."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path_factory.mktemp("keys") / "signing.pem"
    path.write_bytes(pem)
    return path


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a PostgreSQL server: the one given, or a cluster of the tests' own."""
    given = os.environ.get("FARMGATE_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    cluster = Cluster.find()
    if cluster is None:
        pytest.skip("PostgreSQL's programs are not installed.")
    with cluster.running() as url:
        yield url


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """Address of an empty database."""
    name = f"farmgate_{secrets.token_hex(6)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield f"{postgres.rpartition('/')[0]}/{name}"
    finally:
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def any_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an empty database, of each kind in turn."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def accounts() -> FakeAccounts:
    return FakeAccounts()


@pytest.fixture
def make_settings(tmp_path: Path, signing_key_file: Path) -> Callable[..., Settings]:
    """Makes settings that touch nothing but the test's folder and free ports."""

    def make(**given: Any) -> Settings:
        values = {
            "data_dir": tmp_path / "data",
            "auth_signing_key_file": signing_key_file,
            "grpc_port": 0,
            "metrics_port": 0,
            "grace_s": 1.0,
            # Two years of prices are written where a test is about them.
            "demo_history": False,
            **given,
        }
        return load(environment={}, env_file=None, **values)

    return make


@pytest.fixture
async def api(
    make_settings: Callable[..., Settings], accounts: FakeAccounts, clock: FakeClock
) -> AsyncIterator[Api]:
    """A server on SQLite and a client of it."""
    async with running(wire.build(make_settings(), accounts=accounts, clock=clock)) as client:
        yield client


@pytest.fixture
async def api_on_any(
    make_settings: Callable[..., Settings],
    accounts: FakeAccounts,
    clock: FakeClock,
    any_database_url: str,
) -> AsyncIterator[Api]:
    """A server on each kind of database in turn, and a client of it."""
    settings = make_settings(database_url=any_database_url)
    async with running(wire.build(settings, accounts=accounts, clock=clock)) as client:
        yield client


def pytest_report_header() -> str:
    found = shutil.which("initdb") or "only by FARMGATE_TEST_POSTGRES_URL"
    return f"python {sys.version.split()[0]}, postgres: {found}"
