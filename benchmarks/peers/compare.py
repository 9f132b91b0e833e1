"""Runs our core and its peers in alternation on the same workloads and prints one table.

Each round of each engine is a process of its own. Every engine must have made the same trades as
our core as far as it got; slow ones are stopped after some seconds. Times are of the thread's CPU.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TARGET = HERE / "target"
WORKLOADS = ("mixed_small", "mixed_deep", "sweep")
OURS = ("farmgate bare", "farmgate")
CRATES = ("lobster", "orderbook-rs")
OTHERS = ("exchange-core", "LightMatchingEngine")
# What MATCHING asks of the bare book: at least so many times as fast.
GOALS = {
    ("mixed_small", "exchange-core"): 5,
    ("mixed_deep", "exchange-core"): 8,
    ("mixed_small", "orderbook-rs"): 100,
}


def command(engine: str, workload: str, seconds: float) -> list[str]:
    """Returns the command that runs one round."""
    file = str(TARGET / "workloads" / f"{workload}.workload")
    if engine == "exchange-core":
        java = HERE / "java" / "target"
        classes = f"{java / 'classes'}:{(java / 'classpath').read_text()}"
        flags = [
            "-XX:+UseSerialGC",
            "-Xms1g",
            "-Xmx1g",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=off",
        ]
        return ["java", *flags, "-cp", classes, "ExchangeCore", file]
    if engine == "LightMatchingEngine":
        return [str(TARGET / "venv" / "bin" / "python"), str(HERE / "light.py"), file, str(seconds)]
    binary = str(TARGET / "release" / "farmgate_peers")
    return [binary, "run", engine, file, str(max(1, round(seconds)))]


def run(engine: str, workload: str, seconds: float) -> dict:
    """Returns what one round found."""
    done = subprocess.run(
        command(engine, workload, seconds),
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    return json.loads(done.stdout)


def compare(workload: str, rounds: int, seconds: float) -> dict[str, float]:
    """Returns the median nanoseconds a command of each engine."""
    spent: dict[str, list[float]] = {}
    marks: list[str] = []
    for _ in range(rounds):
        for engine in (*OURS, *CRATES, *OTHERS):
            found = run(engine, workload, seconds)
            marks = marks or found["marks"]
            same = found["marks"] == marks[: len(found["marks"])]
            if not same or found["trades"] == 0:
                sys.exit(f"{engine} made other trades on {workload}")
            spent.setdefault(engine, []).append(found["ns"])
    return {engine: statistics.median(found) for engine, found in spent.items()}


def main() -> None:
    """Prints a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2, help="longest round of a slow engine")
    options = parser.parse_args()
    table = {name: compare(name, options.rounds, options.seconds) for name in WORKLOADS}
    print(f"{'M commands/s':22}" + "".join(f"{name:>14}" for name in WORKLOADS))
    for engine in (*OURS, *OTHERS[:1], *CRATES, *OTHERS[1:]):
        cells = (f"{1e3 / table[name][engine]:14.3f}" for name in WORKLOADS)
        print(f"{engine:22}" + "".join(cells))
    ratios = {
        f"{name} over {engine}": round(table[name][engine] / table[name]["farmgate bare"], 2)
        for (name, engine) in GOALS
    }
    for (name, engine), goal in GOALS.items():
        print(f"bare book over {engine}, {name}: {ratios[f'{name} over {engine}']} (goal {goal})")
    print(json.dumps({"name": "peers", "ratios": ratios, "ns": table}))


if __name__ == "__main__":
    main()
