"""LightMatchingEngine on a workload file: `light.py FILE SECONDS` prints one JSON line.

It has no immediate orders and no moves: they are an order and a cancellation, and a cancellation
and an order for what is open. Cancelling a filled order breaks it, so the driver asks first.
"""

import json
import struct
import sys
import time
from pathlib import Path

from lightmatchingengine.lightmatchingengine import LightMatchingEngine, Order

MARK = 10_000
RECORD = struct.Struct("<BBxxIqQ")
MASK = (1 << 64) - 1
PRIME = 0x100000001B3


class Driver:
    """The engine, the orders by number, and the hash of their trades."""

    def __init__(self) -> None:
        """Starts with an empty book."""
        self.engine = LightMatchingEngine()
        self.orders: dict[int, Order] = {}
        self.numbers: dict[int, int] = {}
        self.hash = 0
        self.trades = 0

    def enter(self, number: int, price: int, lots: int, side: int) -> None:
        """Enters an order and notes its trades; the first of each price is the taker's own."""
        order, trades = self.engine.add_order("CORN", price, lots, side)
        self.orders[number] = order
        self.numbers[order.order_id] = number
        for trade in trades:
            if trade.order_id == order.order_id:
                continue
            self.trades += 1
            for word in (self.numbers[trade.order_id], trade.trade_price, trade.trade_qty):
                self.hash = ((self.hash ^ word) * PRIME) & MASK

    def cancel(self, number: int) -> int:
        """Cancels what is open of an order and returns how much that was."""
        order = self.orders[number]
        lots: int = order.leaves_qty
        if lots > 0:
            self.engine.cancel_order(order.order_id, "CORN")
        return lots

    def step(self, kind: int, side: int, lots: int, price: int, number: int) -> None:
        """Carries out one record."""
        if kind in {1, 2}:
            self.enter(number, price, lots, side)
            if kind == 2:
                self.cancel(number)
        elif kind == 3:
            self.cancel(number)
        else:
            side = self.orders[number].side
            left = self.cancel(number)
            if left > 0:
                self.enter(number, price, left, side)


def main() -> None:
    """Runs until the file ends or the time is over."""
    data = Path(sys.argv[1]).read_bytes()
    seconds = float(sys.argv[2])
    warm = int.from_bytes(data[:8], "little")
    driver = Driver()
    marks: list[str] = []
    started = time.thread_time()
    done = 0
    for index, record in enumerate(RECORD.iter_unpack(data[8:])):
        if index == warm:
            started = time.thread_time()
            done = 0
        driver.step(*record)
        done += 1
        if (index + 1) % MARK == 0:
            marks.append(f"{driver.hash:016x}")
            if index >= warm and time.thread_time() - started >= seconds:
                break
    nanoseconds = (time.thread_time() - started) * 1e9 / done
    found = {"engine": "LightMatchingEngine", "ns": nanoseconds, "commands": done}
    print(json.dumps({**found, "trades": driver.trades, "marks": marks}))


if __name__ == "__main__":
    main()
