"""One backtest, in a process of its own: what to run comes by stdin, progress goes to stdout."""

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from farmgate.ports.matching import Simulation

_STEP_COMMANDS: Final = 50_000
# Trading comes first.
_NICENESS: Final = 15


def opened(wanted: dict[str, Any]) -> Simulation:
    """Returns the run that was asked for."""
    if "record" in wanted:
        record = bytes.fromhex(wanted["record"])
        return Simulation.generated(record, wanted["seed"], wanted["commands"])
    return Simulation.replayed(
        Path(wanted["directory"]), wanted["from"], wanted["to"], wanted["instrument"],
        wanted["account"],
    )  # fmt: skip


def main() -> None:
    """Runs until it is over or somebody ends the process."""
    os.nice(_NICENESS)
    run = opened(json.loads(sys.stdin.readline()))
    more = True
    while more:
        more = run.step(_STEP_COMMANDS)
        told = {**run.summary(), "state_hash": "" if more else run.state_hash()}
        print(json.dumps(told), flush=True)  # noqa: T201 - It is what stdout is for here.


if __name__ == "__main__":
    main()
