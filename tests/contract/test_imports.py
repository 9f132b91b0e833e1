"""What is heavy is imported when it is needed, not when the server starts: CHN-073."""

import subprocess
import sys

import pytest

HEAVY = (
    "web3",
    "eth_account",
    "eth_tester",
    "eth",
    "eth_abi",
    "ipfshttpclient",
    "requests",
    "vyper",
)


@pytest.mark.parametrize("module", ["farmgate.app.wire", "farmgate.app.cli"])
def test_server_starts_without_what_only_the_chain_needs(module: str) -> None:
    program = f"import sys, {module}; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []
