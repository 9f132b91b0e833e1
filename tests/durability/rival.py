"""A server that trades whenever it leads, for tests of who leads.

`rival.py FOLDER URL LEASE_MS`: a process of its own, so that it can be stopped and killed. It
prints, with the machine's monotonic time in nanoseconds: `ask TIME NAME` before it enters an order,
then `ack TIME NAME` or `no TIME NAME REASON`, and `role TIME ROLE EPOCH` when that changes.
"""

import asyncio
import sys
import time
from pathlib import Path

import uvloop

from farmgate.api.trading.v1 import trading_pb2
from farmgate.errors import DomainError
from farmgate.ports.leading import LEADING
from journals import open_market, share
from service.trading.market import BUYER, SELLER, session_message

_LOOK_S = 0.002


def say(*words: object) -> None:
    """Prints a line at once: the process may be killed at any instant."""
    print(words[0], time.monotonic_ns(), *words[1:], flush=True)


def named(name: str, number: int) -> bytes:
    """Returns a message with one order of this name."""
    account = (SELLER, BUYER)[number % 2]
    request = trading_pb2.OrderSessionRequest.FromString(session_message(account, 1))
    request.instructions[0].create.client_order_id = name
    return request.SerializeToString()


async def main(folder: Path, url: str, lease_ms: int) -> None:
    """Trades until it is killed."""
    matching = share(folder, url, lease_ms=lease_ms)
    await matching.start()
    told, number = None, 0
    while True:
        standing = matching.leadership.standing
        if (standing.role, standing.epoch) != told:
            told = (standing.role, standing.epoch)
            say("role", *told)
            if standing.role == LEADING:
                await open_market(matching)
        if standing.role != LEADING:
            await asyncio.sleep(_LOOK_S)
            continue
        number += 1
        name = f"{folder.name}-{standing.epoch}-{number}"
        account = (SELLER, BUYER)[number % 2]
        say("ask", name)
        try:
            answer = await matching.order_session(account, named(name, number))
            matching.session_reply(answer)
            say("ack", name)
        except DomainError as error:
            say("no", name, error.reason)


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
