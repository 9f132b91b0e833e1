"""How the edge is set up."""

from dataclasses import dataclass
from typing import Final

# The largest request of REST: a document of 10 MiB and what is around it. The methods' own limits
# are lower, and the server reads no more than 16 MiB.
REQUEST_BYTES_MAX: Final = 12 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What Envoy needs to judge tokens by itself, before the server does.

    Attributes:
        issuer: Issuer named in tokens.
        audience: Audience of access tokens; that of stream tickets has "-stream" after it.
        jwks: Public keys, as the JSON document of `GetJwks`; or "".
        jwks_path: A file of them, where there is no `jwks`.
    """

    issuer: str
    audience: str
    jwks: str = ""
    jwks_path: str = ""

    def __post_init__(self) -> None:
        """Checks that the keys come from one place."""
        assert bool(self.jwks) != bool(self.jwks_path), "Either the keys or their file."


@dataclass(frozen=True, slots=True)
class EdgeOptions:
    """How the edge is set up.

    Attributes:
        host: Address REST is served on.
        rest_port: Its port.
        admin_port: Port of Envoy's administration, on loopback.
        upstreams: Host and port of each gRPC server.
        stream_upstreams: Host and port of those that serve streams; none when the servers do.
        origins: Origins of web pages that may call.
        calls_per_s_per_ip: Calls an address may make in a second.
        sign_ins_per_min_per_ip: Calls an address may make in a minute of what guesses at passwords,
            codes and letters.
        calls_per_s_per_user: Calls a user may make in a second; counted where Envoy judges tokens.
        tokens: How Envoy judges tokens, so that a call without a good one ends here. None leaves
            it all to the server, which judges every call in any case.
        logs_calls: Whether each call leaves a line, as JSON, on standard output.
        folder: Where Envoy finds the API's descriptors and the page of the API.
    """

    host: str
    rest_port: int
    admin_port: int
    upstreams: tuple[tuple[str, int], ...]
    stream_upstreams: tuple[tuple[str, int], ...] = ()
    origins: tuple[str, ...] = ()
    calls_per_s_per_ip: int = 2_000
    sign_ins_per_min_per_ip: int = 30
    calls_per_s_per_user: int = 2_000
    tokens: TokenRules | None = None
    logs_calls: bool = False
    folder: str = "/etc/envoy"
