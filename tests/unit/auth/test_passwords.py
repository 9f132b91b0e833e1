import asyncio

import pytest

from farmgate.auth.passwords import Passwords
from farmgate.errors import DomainError


@pytest.fixture
async def passwords():
    made = Passwords()
    yield made
    await made.stop()


async def test_hash_fits_its_password_only(passwords: Passwords) -> None:
    kept = await passwords.hash("seven green tractors")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert len(kept) <= 128
    assert await passwords.fits("seven green tractors", kept)
    assert not await passwords.fits("seven green tractor", kept)
    assert not passwords.is_weak(kept)


async def test_nothing_fits_nobody(passwords: Passwords) -> None:
    assert not await passwords.fits("seven green tractors", None)


@pytest.mark.parametrize("password", ["", "a\x00b", "🌽" * 256])
async def test_any_text_can_be_checked(passwords: Passwords, password: str) -> None:
    assert await passwords.fits(password, await passwords.hash(password))


def test_cheaper_hash_is_weak() -> None:
    passwords = Passwords()
    assert passwords.is_weak(
        "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$iWh06vD8Fy27wf9npn6FXWiCX4K6pW6Ue1Bnzz07Z8A"
    )


async def test_too_many_at_once_are_refused(passwords: Passwords) -> None:
    work = [asyncio.create_task(passwords.fits("x", None)) for _ in range(200)]
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    refusals = [one for one in outcomes if isinstance(one, DomainError)]
    assert refusals
    assert {one.reason for one in refusals} == {"RATE_LIMITED"}
    assert not await passwords.fits("x", None)
