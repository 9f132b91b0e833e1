"""The one command, when it is interrupted, killed or can't have what it needs."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from e2e.exchange import Exchange

PATIENCE_S = 30


def _processes(folder: Path) -> set[int]:
    """Returns the processes whose data folder is this one, zombies apart."""
    wanted = f"FARMGATE_DATA_DIR={folder}".encode()
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            is_ours = wanted in (entry / "environ").read_bytes().split(b"\0")
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if is_ours and state != "Z":
            found.add(int(entry.name))
    return found


def _wait_until_none(folder: Path) -> set[int]:
    until = time.monotonic() + PATIENCE_S
    while (left := _processes(folder)) and time.monotonic() < until:
        time.sleep(0.05)
    return left


def test_killed_launcher_leaves_nothing_running(tmp_path) -> None:
    """OPS-032."""
    exchange = Exchange(tmp_path)
    exchange.start()
    assert len(_processes(tmp_path)) >= 3, "launcher, server, projector and Envoy"
    exchange.process.kill()
    exchange.process.wait()
    assert not _wait_until_none(tmp_path)
    # What it held is free again.
    assert exchange.start().startswith("ready ")
    assert exchange.stop() == 0
    assert not _wait_until_none(tmp_path)


def test_interrupt_during_the_start_stops_all(tmp_path) -> None:
    """OPS-033."""
    exchange = Exchange(tmp_path)
    with (tmp_path / "up.log").open("wb") as output:
        launcher = subprocess.Popen(
            [sys.executable, "-m", "farmgate", "up"],
            stdout=output,
            stderr=output,
            env=exchange.environment,
            start_new_session=True,
        )
    until = time.monotonic() + PATIENCE_S
    while not (tmp_path / "logs" / "serve.log").exists() and time.monotonic() < until:
        time.sleep(0.01)
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait(timeout=PATIENCE_S) == 0
    assert b"ready" not in (tmp_path / "up.log").read_bytes()
    assert not _wait_until_none(tmp_path)


def test_port_in_use_is_named(tmp_path) -> None:
    """OPS-022."""
    exchange = Exchange(tmp_path)
    port = int(exchange.environment["FARMGATE_GRPC_PORT"])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        done = subprocess.run(
            [sys.executable, "-m", "farmgate", "up"],
            env=os.environ | exchange.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert done.returncode == 1
    expected = f"farmgate: Port {port} is in use; choose another by FARMGATE_GRPC_PORT."
    assert done.stderr.strip() == expected


def test_launcher_starts_all_and_stops_all_when_a_part_ends(tmp_path) -> None:
    """OPS-021."""
    exchange = Exchange(tmp_path)
    assert exchange.start().startswith("ready rest=http://127.0.0.1:")
    envoy = [
        process
        for process in _processes(tmp_path)
        if b"envoy" in (Path("/proc") / str(process) / "cmdline").read_bytes().split(b"\0")[0]
    ]
    assert len(envoy) == 1
    os.kill(envoy[0], signal.SIGKILL)
    assert exchange.process.wait(timeout=PATIENCE_S) != 0, "whoever watches it starts it again"
    assert not _wait_until_none(tmp_path)
