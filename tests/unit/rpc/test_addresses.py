import pytest

from farmgate.rpc.addresses import Addresses


@pytest.mark.parametrize(
    ("peer", "told", "hops", "expected"),
    [
        ("ipv4:198.51.100.1:4711", "203.0.113.5", 1, "198.51.100.1"),
        ("ipv4:127.0.0.1:4711", "", 1, "127.0.0.1"),
        ("ipv4:127.0.0.1:4711", "203.0.113.5", 1, "203.0.113.5"),
        ("ipv4:127.0.0.1:4711", "10.1.1.1, 203.0.113.5", 1, "203.0.113.5"),
        ("ipv4:127.0.0.1:4711", "203.0.113.5, 10.1.1.1", 2, "203.0.113.5"),
        ("ipv4:127.0.0.1:4711", "nonsense", 1, "127.0.0.1"),
        ("ipv6:%5B::1%5D:4711", "2001:db8::1", 1, "2001:db8::1"),
        ("ipv6:%5B::ffff:198.51.100.1%5D:1", "", 1, "198.51.100.1"),
        ("unix:/run/farmgate", "203.0.113.5", 1, "203.0.113.5"),
    ],
)
def test_forwarded_address_is_believed_from_trusted_proxies(
    peer: str, told: str, hops: int, expected: str
) -> None:
    addresses = Addresses(("127.0.0.0/8", "::1/128"), hops=hops)
    assert addresses.caller(peer, told) == expected
