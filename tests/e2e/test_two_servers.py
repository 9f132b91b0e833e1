"""Two servers on one database: what ends in one ends in the other, streams too."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from e2e.exchange import free_ports
from farmgate.api.auth.v1 import auth_pb2, auth_pb2_grpc
from farmgate.api.notifications.v1 import notifications_pb2, notifications_pb2_grpc
from farmgate.api.types.v1 import types_pb2
from support import PASSWORD, refusal_of

pytestmark = pytest.mark.postgres
WITHIN_S = 5.0
START_S = 60.0


@contextmanager
def serving(folder: Path, url: str, key: Path) -> Iterator[str]:
    """Runs a server; gives its address."""
    folder.mkdir(parents=True)
    port, metrics = free_ports(2)
    environment = os.environ | {
        "FARMGATE_DATA_DIR": str(folder),
        "FARMGATE_DATABASE_URL": url,
        "FARMGATE_AUTH_SIGNING_KEY_FILE": str(key),
        "FARMGATE_GRPC_PORT": str(port),
        "FARMGATE_METRICS_PORT": str(metrics),
        "FARMGATE_GRACE_S": "1",
        "FARMGATE_DEMO": "false",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "farmgate", "serve"],
            env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            try:
                grpc.channel_ready_future(channel).result(timeout=START_S)
            except grpc.FutureTimeoutError:
                raise AssertionError((folder / "log").read_text()[-4000:]) from None
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def channels(
    tmp_path: Path, postgres_url: str, signing_key_file: Path
) -> Iterator[tuple[grpc.Channel, grpc.Channel]]:
    with ExitStack() as stack:
        found = []
        for name in ("one", "other"):
            server = serving(tmp_path / name, postgres_url, signing_key_file)
            address = stack.enter_context(server)
            found.append(stack.enter_context(grpc.insecure_channel(address)))
        yield found[0], found[1]


def refusal(call: Callable[[], Any]) -> str:
    """Returns the reason of a refusal, or "" when there is none."""
    try:
        call()
    except grpc.RpcError as error:
        return refusal_of(error).reason
    return ""


def test_what_ends_in_one_server_ends_in_the_other(
    channels: tuple[grpc.Channel, grpc.Channel],
) -> None:
    """AUT-011, AUT-032: sessions, keys, and open streams, within 5 s."""
    here, there = (auth_pb2_grpc.AuthServiceStub(one) for one in channels)
    here.Register(
        auth_pb2.RegisterRequest(
            email="amara@example.com", password=PASSWORD, display_name="Amara",
            role=types_pb2.ROLE_FARMER,
        )
    )  # fmt: skip
    login = auth_pb2.LoginRequest(email="amara@example.com", password=PASSWORD)
    tokens = [here.Login(login).access_token for _ in range(2)]
    victim, keeper = ((("authorization", f"Bearer {one}"),) for one in tokens)
    made = here.CreateApiKey(
        auth_pb2.CreateApiKeyRequest(name="robot", scopes=["read"]), metadata=keeper
    )
    key = (("authorization", f"Bearer {made.secret}"),)
    me = auth_pb2.GetMeRequest()
    for who in (victim, keeper, key):
        assert there.GetMe(me, metadata=who).user.email == "amara@example.com"
    inbox = notifications_pb2_grpc.NotificationServiceStub(channels[1])
    watch = notifications_pb2.WatchNotificationsRequest()
    streams = [inbox.WatchNotifications(watch, metadata=who) for who in (victim, key)]
    for stream in streams:
        next(stream)
    session_id = here.GetMe(me, metadata=victim).session_id
    started = time.monotonic()
    here.RevokeSession(auth_pb2.RevokeSessionRequest(session_id=session_id), metadata=keeper)
    here.RevokeApiKey(auth_pb2.RevokeApiKeyRequest(key_id=made.key.key_id), metadata=keeper)
    assert refusal(lambda: here.GetMe(me, metadata=victim)) == "TOKEN_INVALID"
    for who in (victim, key):
        while refusal(lambda who=who: there.GetMe(me, metadata=who)) != "TOKEN_INVALID":
            assert time.monotonic() - started < WITHIN_S
            time.sleep(0.1)
    refused_s = time.monotonic() - started
    for stream in streams:
        assert refusal(lambda stream=stream: list(stream)) == "TOKEN_INVALID"
    ended_s = time.monotonic() - started
    print(f"refused after {refused_s:.1f} s, streams ended after {ended_s:.1f} s")
    assert ended_s < WITHIN_S
    assert there.GetMe(me, metadata=keeper).user.email == "amara@example.com"
