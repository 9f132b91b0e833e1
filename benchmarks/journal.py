"""Measures the journal in PostgreSQL against the journal in files, by turns on one disk.

PostgreSQL runs on loopback with its own settings for durability (fsync, synchronous_commit). The
last line is one JSON object. Run it by `make bench-journal`.
"""

import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from farmgate.ports.matching import Matching
from journals import open_market, prepared, share, until
from postgres import Cluster
from service.trading.market import BUYER, SELLER, session_message

_ROUNDS: Final = 5
_WARM_UP: Final = 20
# What is offered: orders a message, messages under way, messages.
_LOADS: Final = {"one_by_one": (1, 1, 150), "single_64": (1, 64, 3_000), "batch_500": (500, 4, 60)}


async def _offer(matching: Matching, load: tuple[int, int, int], first: int) -> float:
    """Returns orders in a second, each acknowledged once it is durable."""
    orders, window, messages = load
    gate = asyncio.Semaphore(window)

    async def send(number: int) -> None:
        async with gate:
            account = (SELLER, BUYER)[number % 2]
            message = session_message(account, orders, first=first + number * orders)
            matching.session_reply(await matching.order_session(account, message))

    started = time.perf_counter()
    await asyncio.gather(*[send(number) for number in range(messages)])
    return orders * messages / (time.perf_counter() - started)


async def _measure(folder: Path, url: str) -> dict[str, dict[str, float]]:
    journals = {"file": Matching.open(folder / "file")}
    journals["postgres"] = share(folder / "copy", url, lease_ms=10_000)
    for matching in journals.values():
        await matching.start()
        await until(lambda one=matching: one.leadership.is_leading)
        await open_market(matching)
        await _offer(matching, (1, 1, _WARM_UP), 10**7)
    found: dict[str, dict[str, list[float]]] = {
        load: {kind: [] for kind in journals} for load in _LOADS
    }
    first = 0
    for _ in range(_ROUNDS):
        for name, load in _LOADS.items():
            for kind, matching in journals.items():
                found[name][kind].append(await _offer(matching, load, first))
            first += load[0] * load[2]
    for matching in journals.values():
        await matching.stop()
    return {
        name: {
            **{f"{kind}_orders_s": round(statistics.median(rates)) for kind, rates in one.items()},
            "ratio": round(
                statistics.median(b / a for a, b in zip(one["file"], one["postgres"], strict=True)),
                3,
            ),
        }
        for name, one in found.items()
    }


def main() -> None:
    """Measures and prints."""
    cluster = Cluster.find()
    assert cluster, "PostgreSQL's programs are needed; scripts/install-test-tools installs them."
    folder = Path(tempfile.mkdtemp(prefix="farmgate-bench-"))
    try:
        with cluster.running(is_durable=True) as url:
            print(json.dumps(asyncio.run(_measure(folder, prepared(url)))))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
