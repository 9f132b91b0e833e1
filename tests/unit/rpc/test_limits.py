import pytest

from farmgate.errors import DomainError
from farmgate.rpc.limits import Buckets


def test_burst_is_the_count_and_it_refills() -> None:
    buckets = Buckets(3, 60, "3 calls a minute")
    for _ in range(3):
        buckets.spend("a", 0.0)
    with pytest.raises(DomainError) as caught:
        buckets.spend("a", 0.0)
    assert caught.value.retry_after_ms == 20_000
    buckets.spend("b", 0.0)
    buckets.spend("a", 20.0)
    with pytest.raises(DomainError):
        buckets.spend("a", 20.0)
