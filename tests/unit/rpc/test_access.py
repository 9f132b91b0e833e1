import gc

import pytest

from farmgate.errors import DomainError
from farmgate.ports.clock import FakeClock
from farmgate.rpc.access import Grants
from farmgate.rpc.call import Principal


class Always:
    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.asked_count = 0

    async def access(self, token: str) -> Principal:
        self.asked_count += 1
        return Principal("amara", token, 1, 1, 1, None, None, self.clock.epoch() + 60)

    async def ticket(self, token: str) -> Principal:
        return await self.access(token)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def test_grant_is_remembered_until_it_expires(clock: FakeClock) -> None:
    authenticator = Always(clock)
    grants = Grants(authenticator, clock)
    assert grants.cached("a") is None
    grant = await grants.resolve("a")
    assert grants.cached("a") is grant
    clock.move(60)
    with pytest.raises(DomainError, match="TOKEN_EXPIRED"):
        grants.cached("a")
    assert grants.cached("a") is None
    assert authenticator.asked_count == 1


async def test_revoked_session_ends_also_for_streams(clock: FakeClock) -> None:
    grants = Grants(Always(clock), clock)
    first, second = await grants.resolve("a"), await grants.redeem("b")
    grants.revoke("amara", session_id="b")
    assert grants.refusal_of(first) is None
    refusal = grants.refusal_of(second)
    assert refusal is not None
    assert refusal.reason == "TOKEN_INVALID"
    grants.revoke("amara", below=2)
    with pytest.raises(DomainError, match="TOKEN_INVALID"):
        grants.cached("a")


async def test_nothing_is_believed_while_endings_can_not_be_learnt(clock: FakeClock) -> None:
    """AUT-013."""
    grants = Grants(Always(clock), clock)
    await grants.resolve("a")
    grants.is_stale = True
    with pytest.raises(DomainError, match="UNAVAILABLE"):
        grants.cached("a")
    with pytest.raises(DomainError, match="UNAVAILABLE"):
        await grants.resolve("b")


async def test_sweep_forgets_what_expired(clock: FakeClock) -> None:
    grants = Grants(Always(clock), clock)
    await grants.resolve("a")
    clock.move(60)
    grants.sweep()
    gc.collect()
    grants.sweep()
    assert not grants._by_token
    assert not grants._by_user
