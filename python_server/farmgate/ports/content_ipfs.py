"""Content in the content network, by the RPC of a Kubo node beside the local folder.

The node is not believed: what it names is compared with the identifier computed here, what it gives
is hashed again, and its answers are counted while they come.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from farmgate.errors import DomainError
from farmgate.ports.content import CONTENT_BYTES_MAX, ContentFolder, PinState
from farmgate.ports.unixfs import cid_of, is_cid
from farmgate.telemetry.logs import logger

if TYPE_CHECKING:
    import ipfshttpclient

_TIMEOUT_S: Final = 10.0
_PROBE_TIMEOUT_S: Final = 0.8
# The chunks and leaves of `ports.unixfs`; Kubo's own defaults give other identifiers.
_ADD: Final = {
    "cid-version": 1,
    "raw-leaves": "true",
    "chunker": "size-262144",
    "hash": "sha2-256",
    "pin": "true",
}
_NOT_PINNED: Final = "not pinned"
_NETWORK_FOLDER: Final = "network"
_log = logger(__name__)


class ContentIpfs(ContentFolder):
    """Keeps content in a folder, and in the content network when it is pinned.

    Args:
        folder: The local folder.
        address: Address of the node's RPC, such as http://127.0.0.1:5001.
        timeout_s: How long the node may be silent.
    """

    def __init__(self, folder: Path, address: str, *, timeout_s: float = _TIMEOUT_S) -> None:
        super().__init__(folder)
        self._multiaddr = _multiaddr(address)
        self._timeout_s = timeout_s
        self._opened: ipfshttpclient.Client | None = None
        # Which content the network held when it was asked last.
        self._held = folder / _NETWORK_FOLDER
        self._held.mkdir(mode=0o700, exist_ok=True)

    def get(self, cid: str) -> bytes:
        """Returns content from here or, checked and then kept here, from the network."""
        try:
            return super().get(cid)
        except DomainError:
            if not is_cid(cid):
                raise
        data = self._fetch(cid)
        if cid_of(data) != cid:
            raise DomainError("CID_MISMATCH")
        was_pinned = super().pin_state(cid) is PinState.LOCAL
        self.put(data)
        if not was_pinned:
            super().unpin(cid)
        return data

    def pin(self, cid: str) -> PinState:
        """Makes this folder and the network hold the content."""
        data = self.get(cid)
        super().pin(cid)
        with _as_refusals(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            named = self._client().add_bytes(data, opts=dict(_ADD))
        if named != cid:
            # Its pin of other content is of no use to anybody; ours stays as it is.
            _log.error("the content network names content differently", cid=cid, named=str(named))
            raise DomainError("CID_MISMATCH")
        (self._held / cid).touch(mode=0o600)
        return PinState.BOTH

    def unpin(self, cid: str) -> None:
        """Lets go of content here and in the network."""
        super().unpin(cid)
        if not is_cid(cid) or not (self._held / cid).exists():
            return
        with _as_refusals(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self._client().pin.rm(cid)
            except self._errors().ErrorResponse as error:
                if _NOT_PINNED not in str(error):
                    raise
        (self._held / cid).unlink(missing_ok=True)

    def pin_state(self, cid: str) -> PinState:
        """Returns where the content is kept, by what the network said last."""
        is_here = super().pin_state(cid) is PinState.LOCAL
        if not is_cid(cid) or not (self._held / cid).exists():
            return PinState.LOCAL if is_here else PinState.NONE
        return PinState.BOTH if is_here else PinState.NETWORK

    def probe(self) -> str:
        """Returns the version of the node."""
        with _as_refusals(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = self._client().version(timeout=_PROBE_TIMEOUT_S)
        return f"Kubo {str(answer.get('Version', ''))[:32]}"

    def close(self) -> None:
        """Closes the connection to the node."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _fetch(self, cid: str) -> bytes:
        parts: list[bytes] = []
        size = 0
        with _as_refusals(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                with self._client().cat(cid, length=CONTENT_BYTES_MAX + 1, stream=True) as stream:
                    for part in stream:
                        size += len(part)
                        if size > CONTENT_BYTES_MAX:
                            raise DomainError("CID_MISMATCH")
                        parts.append(part)
            except self._errors().ErrorResponse as error:
                raise DomainError("IPFS_NOT_FOUND", cid=cid) from error
        return b"".join(parts)

    def _client(self) -> Any:
        if self._opened is None:
            import ipfshttpclient  # noqa: PLC0415 - It costs 0.2 s that only this needs.

            # Not `connect`, which refuses every version of Kubo that is younger than the client.
            client = ipfshttpclient.Client(self._multiaddr, timeout=self._timeout_s)
            # A node does not send its callers elsewhere, and no proxy stands before it.
            client._client._session_props.update(max_redirects=0, trust_env=False)  # noqa: SLF001
            self._opened = client
        return self._opened

    @staticmethod
    def _errors() -> Any:
        from ipfshttpclient import exceptions  # noqa: PLC0415 - As _client.

        return exceptions


@contextmanager
def _as_refusals() -> Iterator[None]:
    """Turns what the client raises into IPFS_UNREACHABLE."""
    import requests  # noqa: PLC0415 - The client's own, as late as it.
    from ipfshttpclient import exceptions  # noqa: PLC0415 - As above.

    try:
        yield
    except (exceptions.Error, requests.RequestException, ValueError) as error:
        _log.warning("content network failed", kind=type(error).__name__)
        raise DomainError("IPFS_UNREACHABLE").retry_after(5_000) from error


def _multiaddr(address: str) -> str:
    """Returns the address as the client writes it."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError("must be an address such as http://127.0.0.1:5001")
    is_ip4 = host.replace(".", "").isdigit()
    kind = "ip6" if ":" in host else "ip4" if is_ip4 else "dns"
    return f"/{kind}/{host}/tcp/{parts.port or 5001}/{parts.scheme}"
