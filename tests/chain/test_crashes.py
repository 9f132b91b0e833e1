"""Processes that die between two deeds: CHN-031."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chains import CHAIN_ID, Exchange, exchange
from farmgate.blockchain import store
from farmgate.blockchain.facade import State, settlement


class DeadError(BaseException):
    """The process ended here."""


class Fuse:
    """Ends the process before or after the n-th deed in the world."""

    def __init__(self, deed: int) -> None:
        self.left = deed

    def burn(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise DeadError


class Mortal:
    """A part whose every deed may be the last."""

    def __init__(self, part: Any, fuse: Fuse, deeds: frozenset[str]) -> None:
        self._part = part
        self._fuse = fuse
        self._deeds = deeds

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._part, name)
        if name not in self._deeds:
            return value

        def deed(*given: Any, **named: Any) -> Any:
            self._fuse.burn()
            answer = value(*given, **named)
            self._fuse.burn()
            return answer

        return deed


def lives_until_done(world: Exchange, is_done: Callable[[], bool], rng: random.Random) -> int:
    """Works with a process that dies at every deed in turn; returns how often it died."""
    deaths = 0
    for deed in range(1, 400):
        fuse = Fuse(deed if deed < 100 else rng.randrange(1, 12))
        world.restart(
            Mortal(world.database, fuse, DEEDS[0]),
            Mortal(world.chain, fuse, DEEDS[1]),
        )
        try:
            world.run(3)
        except DeadError:
            deaths += 1
        if world.node:
            world.node.mine()
        if is_done():
            return deaths
    raise AssertionError("It is never done.")


DEEDS = (frozenset({"run"}), frozenset({"send", "advance"}))


@pytest.mark.parametrize("kind", ["embedded", "anvil"])
def test_process_that_dies_once_registers_once(kind: str, tmp_path: Path) -> None:
    """CHN-031: one registration for each boundary at which a process can die."""
    with exchange(kind, tmp_path) as world:
        world.register()
        world.run()
        for deed in range(1, 500):
            operation = world.register()
            fuse = Fuse(deed)
            parts = (Mortal(world.database, fuse, DEEDS[0]), Mortal(world.chain, fuse, DEEDS[1]))
            world.restart(*parts)
            is_dead = False
            try:
                world.run()
            except DeadError:
                is_dead = True
            world.restart()
            world.run()
            assert world.now(operation).state is State.CONFIRMED
            assert world.announced(operation.reference) == ["Registered"]
            if not is_dead:
                break
        else:
            raise AssertionError("It never came to its end.")
        print(f"{deed - 1} boundaries")
        assert deed > 40
        registry = world.database.run(lambda tx: store.registries(tx, CHAIN_ID))
        logs = world.chain.logs(registry, 0, world.chain.head().number)
        assert len(logs) == deed + 1


@pytest.mark.parametrize("kind", ["embedded", "anvil"])
def test_process_that_dies_again_and_again_registers_once(kind: str, tmp_path: Path) -> None:
    """CHN-031: with every transaction of the database and every send as the last deed."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    with exchange(kind, tmp_path) as world:
        operation = world.register()
        settled = world.request(
            settlement(
                world.domain(),
                operation.reference,
                statement_hash=bytes(32),
                statement_cid="",
                is_short=True,
            ),
            reference=operation.reference,
        )

        def is_done() -> bool:
            return all(world.now(one).state is State.CONFIRMED for one in (operation, settled))

        deaths = lives_until_done(world, is_done, random.Random(seed))
        assert deaths > 20
        assert world.announced(operation.reference) == ["Registered", "Settled"]
        registries = world.database.run(lambda tx: store.registries(tx, CHAIN_ID))
        assert len(registries) == 1
        logs = world.chain.logs(registries, 0, world.chain.head().number)
        assert len(logs) == 2
