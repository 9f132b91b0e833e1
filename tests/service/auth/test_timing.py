"""Nobody can tell by the time a refusal takes whether somebody has an address."""

import os
import random
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from unittest.mock import patch

import grpc
import pytest

from farmgate.api.auth.v1 import auth_pb2
from farmgate.app import wire
from farmgate.app.settings import Settings
from farmgate.auth.passwords import Passwords
from support import TIMEOUT_S, Api, refusal_of, running

PAIRS = int(os.environ.get("TEST_TIMING_PAIRS", "80"))
# 0.5 is what a coin tells, and few samples stray from it: four standard errors are allowed.
AUC_MAX = max(0.55, 0.5 + 4 * (1 / (6 * PAIRS)) ** 0.5)
PEOPLE = 8


def auc(first: list[float], second: list[float]) -> float:
    """Returns how often one of the first is larger than one of the second: Mann and Whitney's U."""
    ordered = sorted(second)
    wins = sum(bisect_left(ordered, one) + bisect_right(ordered, one) for one in first) / 2
    return wins / (len(first) * len(second))


async def samples(api: Api, addresses: list[str], pairs: int) -> tuple[list[float], list[float]]:
    """Times refused sign-ins of known and of unknown addresses, in turns of a random order."""
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    known: list[float] = []
    unknown: list[float] = []
    for number in range(pairs):
        turns = [(known, dice.choice(addresses)), (unknown, f"nobody{number}@example.com")]
        dice.shuffle(turns)
        for times, address in turns:
            request = auth_pb2.LoginRequest(email=address, password="a wrong password, quite long")
            # Sign-ins are counted by address.
            network = f"198.51.{number // 250}.{number % 250}"
            started = time.perf_counter()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await api.auth.Login(
                    request, metadata=(("x-forwarded-for", network),), timeout=TIMEOUT_S
                )
            times.append(time.perf_counter() - started)
            assert refusal_of(caught.value).reason == "BAD_CREDENTIALS"
    print(f"seed {seed}, {pairs} pairs")
    return known, unknown


@pytest.fixture
async def patient(make_settings: Callable[..., Settings], accounts, clock):
    settings = make_settings(auth_lockout_attempts=1_000_000, rate_ip_per_min=1_000_000)
    async with running(wire.build(settings, accounts=accounts, clock=clock)) as api:
        yield api


async def test_known_and_unknown_addresses_take_alike(patient: Api) -> None:
    """AUT-005: the area under the curve of whoever tells them apart by time."""
    addresses = [(await patient.register()).email for _ in range(PEOPLE)]
    await samples(patient, addresses, 4)
    known, unknown = await samples(patient, addresses, PAIRS)
    found = auc(known, unknown)
    middle = [1_000 * sorted(times)[len(times) // 2] for times in (known, unknown)]
    print(f"AUC {found:.3f}; medians {middle[0]:.2f} ms known, {middle[1]:.2f} ms unknown")
    assert max(found, 1 - found) <= AUC_MAX


async def test_without_the_same_work_they_are_told_apart(patient: Api) -> None:
    """The same measurement sees what is to be seen."""
    addresses = [(await patient.register()).email]
    honest = Passwords.fits

    async def hasty(self: Passwords, password: str, password_hash: str | None) -> bool:
        return bool(password_hash) and await honest(self, password, password_hash)

    with patch.object(Passwords, "fits", hasty):
        known, unknown = await samples(patient, addresses, 20)
    assert auc(known, unknown) > 0.9
