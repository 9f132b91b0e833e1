"""Which network address a call comes from, behind proxies that are trusted by name."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address, ip_network
from urllib.parse import unquote


class Addresses:
    """Tells callers' addresses.

    Args:
        trusted: Networks whose `x-forwarded-for` is believed, such as "127.0.0.0/8".
        hops: How many trusted proxies add to the header; the address is that many from its end.
    """

    def __init__(self, trusted: Iterable[str], *, hops: int = 1) -> None:
        assert hops >= 1
        self._trusted = tuple(ip_network(network) for network in trusted)
        self._hops = hops
        self._is_trusted = lru_cache(maxsize=4_096)(self._find)

    def caller(self, peer: str, forwarded_for: str) -> str:
        """Returns the address of the caller.

        Args:
            peer: The connection's other end as gRPC names it, such as "ipv4:10.0.0.1:4711".
            forwarded_for: The header, or "".
        """
        address = host_of(peer)
        if not forwarded_for or not self._is_trusted(address):
            return address
        told = [part.strip() for part in forwarded_for.split(",")]
        return _normal(told[-self._hops] if len(told) >= self._hops else told[0]) or address

    def _find(self, address: str) -> bool:
        if address == "unix":
            return True
        found = ip_address(address)
        return any(found in network for network in self._trusted)


def host_of(peer: str) -> str:
    """Returns the address in gRPC's name of a peer; "unix" for a local socket."""
    kind, _, rest = peer.partition(":")
    if kind not in {"ipv4", "ipv6"}:
        return "unix"
    return _normal(unquote(rest).rpartition(":")[0].strip("[]")) or "unix"


def _normal(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
