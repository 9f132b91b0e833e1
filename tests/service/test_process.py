"""The process as it is started by hand: its own event loop, signals, real clock."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import grpc

from farmgate.api.auth.v1 import auth_pb2, auth_pb2_grpc
from farmgate.api.health.v1 import health_pb2, health_pb2_grpc

_PROGRAM = """
from farmgate.app.process import run
from farmgate.app.settings import load
run(load(environment={}, env_file=None))
"""


def _start(data_dir: Path, port_file: Path) -> subprocess.Popen[bytes]:
    root = Path(__file__).parents[2]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(root / "python_server"),
        "FARMGATE_DATA_DIR": str(data_dir),
        "FARMGATE_GRPC_PORT": "0",
        "FARMGATE_METRICS_PORT": "0",
        "FARMGATE_LOG_FILE": str(port_file),
    }
    return subprocess.Popen([sys.executable, "-c", _PROGRAM], env=environment)


def _port(log: Path, process: subprocess.Popen[bytes]) -> int:
    for _ in range(2_400):
        assert process.poll() is None, "The server ended."
        for line in log.read_text().splitlines() if log.exists() else ():
            told = json.loads(line)
            if told["event"] == "serving":
                port: int = told["grpc_port"]
                return port
        time.sleep(0.05)
    raise AssertionError("The server did not start.")


def test_server_started_by_hand_answers_and_keeps_its_users(tmp_path: Path) -> None:
    credentials = {"email": "amara@example.com", "password": "seven green tractors"}
    for turn in ("first", "second"):
        log = tmp_path / f"{turn}.log"
        process = _start(tmp_path / "data", log)
        try:
            with grpc.insecure_channel(f"127.0.0.1:{_port(log, process)}") as channel:
                auth = auth_pb2_grpc.AuthServiceStub(channel)
                if turn == "first":
                    auth.Register(
                        auth_pb2.RegisterRequest(**credentials, display_name="Amara", role=1)
                    )
                answer = auth.Login(auth_pb2.LoginRequest(**credentials), timeout=10)
                me = auth.GetMe(
                    auth_pb2.GetMeRequest(),
                    metadata=(("authorization", f"Bearer {answer.access_token}"),),
                )
                assert me.user.email == credentials["email"]
                health = health_pb2_grpc.HealthServiceStub(channel)
                assert health.Readyz(health_pb2.ReadyzRequest()).status == "ok"
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()
            process.wait()
        text = log.read_text()
        assert credentials["password"] not in text
        assert answer.access_token not in text
    assert (tmp_path / "data" / "secrets" / "signing.pem").stat().st_mode & 0o777 == 0o600
