"""The whole exchange as a user starts it: real Envoy, real processes, its own ports and folder."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx

from farmgate.api.auth.v1 import auth_pb2, auth_pb2_grpc

PASSWORD = "Demo-Pass-2026!"
DOMAIN = "farmgate.example"
START_S = 120


def free_ports(count: int) -> list[int]:
    """Returns ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@dataclass
class Reply:
    """What REST answered."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def reason(self) -> str:
        """Returns the stable reason of a refusal."""
        return next(detail["reason"] for detail in self.body["details"] if "reason" in detail)


class Exchange:
    """A running exchange."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        rest, grpc_port, metrics, admin = free_ports(4)
        self.rest = f"http://127.0.0.1:{rest}"
        self.grpc = f"127.0.0.1:{grpc_port}"
        self.environment = os.environ | {
            "FARMGATE_DATA_DIR": str(folder),
            "FARMGATE_REST_PORT": str(rest),
            "FARMGATE_GRPC_PORT": str(grpc_port),
            "FARMGATE_METRICS_PORT": str(metrics),
            "FARMGATE_ADMIN_PORT": str(admin),
            "FARMGATE_RATE_USER_PER_MIN": "1000000",
            "FARMGATE_RATE_IP_PER_MIN": "100000",
            "FARMGATE_RATE_SIGN_INS_PER_MIN": "100000",
            "FARMGATE_RATE_ORDERS_PER_S": "1000000",
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> str:
        """Starts it; returns the line that says it is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / "up.log"
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "farmgate", "up", *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,
            )
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            ready = [line for line in log.read_text().splitlines() if line.startswith("ready ")]
            if ready:
                return ready[0]
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        self.stop()
        raise AssertionError(f"not ready:\n{self.logs()}")

    def logs(self) -> str:
        """Returns the last lines of everything."""
        files = [self.folder / "up.log", *sorted((self.folder / "logs").glob("*.log"))]
        return "\n".join(
            f"== {file.name}\n{file.read_text()[-3000:]}" for file in files if file.exists()
        )

    def stop(self) -> int:
        """Stops it as Ctrl-C does; returns its status."""
        process = self.process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        return process.wait(timeout=60)

    def call(
        self, method: str, path: str, body: object = None, *, token: str = "", **headers: str
    ) -> Reply:
        """Calls REST."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["authorization"] = f"Bearer {token}"
        reply = httpx.request(method, self.rest + path, json=body, headers=sent, timeout=10)
        return Reply(reply.status_code, reply.json(), dict(reply.headers))

    def token(self, name: str) -> str:
        """Signs a demonstration user in."""
        credentials = {"email": f"{name}@{DOMAIN}", "password": PASSWORD}
        reply = self.call("POST", "/v1/auth/login", credentials)
        assert reply.status == 200, reply
        return str(reply.body["access_token"])

    def channel(self) -> grpc.Channel:
        """Returns a channel to the server itself."""
        return grpc.insecure_channel(self.grpc)


def grpc_token(channel: grpc.Channel, name: str) -> tuple[tuple[str, str], ...]:
    """Signs a demonstration user in; returns the metadata of calls."""
    request = auth_pb2.LoginRequest(email=f"{name}@{DOMAIN}", password=PASSWORD)
    reply = auth_pb2_grpc.AuthServiceStub(channel).Login(request)
    return (("authorization", f"Bearer {reply.access_token}"),)


@contextlib.contextmanager
def running(folder: Path, *arguments: str, **settings: str) -> Iterator[Exchange]:
    """Runs an exchange for the length of a block."""
    exchange = Exchange(folder, **settings)
    exchange.start(*arguments)
    try:
        yield exchange
    finally:
        exchange.stop()
