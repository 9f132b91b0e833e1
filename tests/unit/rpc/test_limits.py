from farmgate.ports.limiter import Buckets, Quota


def test_burst_is_the_count_and_it_refills() -> None:
    buckets = Buckets(Quota("calls", 3, 60))
    for _ in range(3):
        assert buckets.spend("a", 0.0) == 0
    assert buckets.spend("a", 0.0) == 20_000
    assert buckets.spend("b", 0.0) == 0
    assert buckets.spend("a", 20.0) == 0
    assert buckets.spend("a", 20.0) == 20_000
