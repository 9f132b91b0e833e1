"""A process that works on a chain until it is killed: database, node, how often it was started."""

import itertools
import sys
from datetime import UTC, datetime, timedelta

from chains import CHAIN_ID, Exchange
from farmgate.db.engine import Database
from farmgate.ports.chain_web3 import http_chain
from farmgate.ports.clock import FakeClock


def main(database: str, url: str, start: int) -> None:
    # The work of the process before is free at once: time has passed.
    clock = FakeClock(datetime(2026, 6, 1, tzinfo=UTC) + timedelta(hours=start))
    chain = http_chain(url, chain_id=CHAIN_ID)
    exchange = Exchange(Database(database, threads=2), chain, is_simulated=False, clock=clock)
    # Its libraries are there when it says so.
    chain.head()
    print("working", flush=True)
    for _ in itertools.count():
        exchange.pump.tick()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
