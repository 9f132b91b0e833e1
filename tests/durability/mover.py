"""Moves money and goods and trades, until it is killed: `mover.py FOLDER SEED`.

Each line it prints is a transfer that was acknowledged: key, account, asset, amount, sequence; or
one that was refused.
"""

import asyncio
import random
import sys
from pathlib import Path
from typing import Any

from farmgate._matching import Engine, Refusal

sys.path.insert(0, str(Path(__file__).parents[1]))
from durability.trader import ACCOUNTS, message, prepare

WINDOW = 16
AMOUNT_MAX = 10**14
CANCEL_REASON_ADMIN = 9


async def move(folder: Path, seed: int) -> None:
    """Moves until it is killed."""
    engine = Engine.open(folder, snapshot_interval_commands=2_000)
    loop = asyncio.get_running_loop()
    loop.add_reader(engine.fileno(), engine.drain)
    await prepare(engine)
    dice = random.Random(seed)
    waiting: list[tuple[str, asyncio.Future[Any]]] = []
    print("trading", flush=True)
    number = 0
    while True:
        account = dice.randint(1, ACCOUNTS)
        future = loop.create_future()
        name = ""
        kind = dice.random()
        if kind < 0.5:
            engine.order_session(account, message(f"{seed}-{number}", dice), future)
        elif kind < 0.55:
            engine.cancel_all(account, CANCEL_REASON_ADMIN, future)
        else:
            asset, amount = dice.randint(1, 2), dice.randint(1, AMOUNT_MAX)
            amount *= dice.choice((1, -1, -1))
            name = f"{seed}-{number} {account} {asset} {amount}"
            engine.transfer(account, asset, amount, f"{seed}-{number}".encode(), future)
        waiting.append((name, future))
        number += 1
        if len(waiting) >= WINDOW:
            name, future = waiting.pop(0)
            answer = await future
            if name:
                told = "refused" if isinstance(answer, Refusal) else answer[1]
                print(f"{name} {told}", flush=True)


if __name__ == "__main__":
    asyncio.run(move(Path(sys.argv[1]), int(sys.argv[2])))
