"""Tokens: RS256-signed access tokens and stream tickets, opaque refresh tokens."""

import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
)

from farmgate.errors import DomainError
from farmgate.ports.clock import Clock
from farmgate.ports.ids import is_ulid

# Ours have about 900 characters. JSON that nests deeper than the stack reaches ends the process.
_TOKEN_CHARS_MAX: Final = 4_096
_ALGORITHM: Final = "RS256"
_KEY_BITS_MIN: Final = 2048
# RFC 9068, section 2.1: a token of another kind is not taken for an access token.
_ACCESS_TYPE: Final = "at+jwt"
_TICKET_TYPE: Final = "stream-ticket+jwt"
# Clocks of two servers of one installation differ by less.
_LEEWAY_S: Final = 30
_TICKET_TTL_S: Final = 60
_REFRESH_BYTES: Final = 32
_REFRESH_PREFIX: Final = "fgr_"


class SigningKeyError(ValueError):
    """A signing key can't be used."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a token is made for.

    Attributes:
        user_id: ULID of the user.
        session_id: ULID of the session.
        session_version: Version of the user's sessions.
    """

    user_id: str
    session_id: str
    session_version: int


@dataclass(frozen=True, slots=True)
class Rights:
    """What an access token tells of its user, for whoever reads it without asking the server.

    Attributes:
        role: Name of the role.
        kyc_level: 0..3.
        account_id: ULID of the trading account, or None.
        account_number: Number of the account in the matching core, or None.
    """

    role: str
    kyc_level: int
    account_id: str | None
    account_number: int | None


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token that was verified says.

    Attributes:
        token_id: ULID of the token.
        user_id: ULID of the user.
        session_id: ULID of the session.
        session_version: Version of the user's sessions when the token was made.
        expires_at: Seconds since 1970.
    """

    token_id: str
    user_id: str
    session_id: str
    session_version: int
    expires_at: int


class Tokens:
    """Signs and verifies tokens.

    Args:
        signing_pem: RSA private key that signs, PEM.
        previous_pem: Another key whose tokens are taken and which is published too, or None: the
            one before, or the next. Its public half does.
        issuer: Issuer named in tokens.
        audience: Audience of access tokens; that of stream tickets has "-stream" after it, so that
            the edge can tell them apart.
        access_ttl_s: Seconds an access token is good for.
        clock: Tells the time.

    Raises:
        SigningKeyError: A key is no RSA key of 2048 bits or more.
    """

    def __init__(
        self,
        signing_pem: bytes,
        previous_pem: bytes | None,
        *,
        issuer: str,
        audience: str,
        access_ttl_s: int,
        clock: Clock,
    ) -> None:
        self._key = _private_key(signing_pem)
        self._key_id = _key_id(self._key.public_key())
        keys = [self._key.public_key()] + ([_public_key(previous_pem)] if previous_pem else [])
        self._public_keys = {_key_id(key): key for key in keys}
        self._issuer = issuer
        self._audience = audience
        self._ticket_audience = f"{audience}-stream"
        self.access_ttl_s = access_ttl_s
        self.ticket_ttl_s = _TICKET_TTL_S
        self._epoch = clock.epoch
        self.jwks = _jwks(self._public_keys)

    def access(self, subject: Subject, rights: Rights, token_id: str) -> str:
        """Returns an access token."""
        claims = {
            "role": rights.role,
            "kyc": rights.kyc_level,
            "acc": rights.account_number,
            "aid": rights.account_id,
        }
        return self._signed(
            subject, token_id, self._audience, self.access_ttl_s, _ACCESS_TYPE, claims
        )

    def ticket(self, subject: Subject, token_id: str) -> str:
        """Returns a ticket for one stream."""
        return self._signed(
            subject, token_id, self._ticket_audience, _TICKET_TTL_S, _TICKET_TYPE, {}
        )

    def verified_access(self, token: str) -> Claims:
        """Returns what an access token says.

        Raises:
            DomainError: TOKEN_INVALID or TOKEN_EXPIRED.
        """
        claims = self._verified(token, self._audience, _ACCESS_TYPE)
        if claims is None:
            raise DomainError("TOKEN_INVALID")
        if claims.expires_at <= self._epoch():
            raise DomainError("TOKEN_EXPIRED")
        return claims

    def verified_ticket(self, token: str) -> Claims:
        """Returns what a stream ticket says.

        Raises:
            DomainError: STREAM_TICKET_INVALID.
        """
        claims = self._verified(token, self._ticket_audience, _TICKET_TYPE)
        if claims is None or claims.expires_at <= self._epoch():
            raise DomainError("STREAM_TICKET_INVALID")
        return claims

    def _signed(
        self,
        subject: Subject,
        token_id: str,
        audience: str,
        ttl_s: int,
        kind: str,
        more: dict[str, Any],
    ) -> str:
        now = int(self._epoch())
        claims = {
            "iss": self._issuer,
            "aud": audience,
            "sub": subject.user_id,
            "sid": subject.session_id,
            "sv": subject.session_version,
            "iat": now,
            "exp": now + ttl_s,
            "jti": token_id,
            **more,
        }
        header = {"kid": self._key_id, "typ": kind}
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM, headers=header)

    def _verified(self, token: str, audience: str, kind: str) -> Claims | None:
        """Returns the claims, or None when anything about the token is wrong but its age."""
        if len(token) > _TOKEN_CHARS_MAX:
            return None
        try:
            header = jwt.get_unverified_header(token)
            key = self._public_keys.get(str(header.get("kid")))
            if key is None or header.get("typ") != kind:
                return None
            # Keys come from our own table by ID: jku, x5u and jwk of the header are not looked at.
            # The time is judged by our clock.
            told = jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                issuer=self._issuer,
                options={
                    "require": ["iss", "aud", "sub", "sid", "sv", "iat", "exp", "jti"],
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            return None
        return self._claims(told, audience)

    def _claims(self, told: dict[str, Any], audience: str) -> Claims | None:
        ids = (told["jti"], told["sub"], told["sid"])
        numbers = (told["sv"], told["iat"], told["exp"])
        is_well_formed = (
            told["aud"] == audience
            and all(isinstance(one, str) and is_ulid(one) for one in ids)
            and all(type(one) is int for one in numbers)
        )
        if not is_well_formed or told["iat"] > self._epoch() + _LEEWAY_S:
            return None
        return Claims(
            token_id=told["jti"],
            user_id=told["sub"],
            session_id=told["sid"],
            session_version=told["sv"],
            expires_at=told["exp"],
        )


def new_refresh_token() -> str:
    """Returns a refresh token: 256 random bits that mean nothing by themselves."""
    return _REFRESH_PREFIX + secrets.token_urlsafe(_REFRESH_BYTES)


def refresh_token_hash(token: str) -> bytes:
    """Returns what is kept of a refresh token; nobody can guess 256 bits, so no salt."""
    return hashlib.sha256(token.encode()).digest()


def _private_key(pem: bytes) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise SigningKeyError("The key is no private key in PEM without a password.") from error
    if not isinstance(key, RSAPrivateKey) or key.key_size < _KEY_BITS_MIN:
        raise SigningKeyError(f"The key must be an RSA key of {_KEY_BITS_MIN} bits or more.")
    return key


def _public_key(pem: bytes) -> RSAPublicKey:
    if b"PUBLIC KEY" not in pem:
        return _private_key(pem).public_key()
    try:
        key = load_pem_public_key(pem)
    except ValueError as error:
        raise SigningKeyError("The other key is no key in PEM.") from error
    if not isinstance(key, RSAPublicKey) or key.key_size < _KEY_BITS_MIN:
        raise SigningKeyError(f"The other key must be an RSA key of {_KEY_BITS_MIN} bits or more.")
    return key


def _jwk(key: RSAPublicKey) -> dict[str, str]:
    numbers = key.public_numbers()
    return {"e": _base64(numbers.e), "kty": "RSA", "n": _base64(numbers.n)}


def _key_id(key: RSAPublicKey) -> str:
    # The thumbprint of RFC 7638: equal in every process, and changes with the key.
    canonical = json.dumps(_jwk(key), separators=(",", ":"), sort_keys=True)
    return _text(hashlib.sha256(canonical.encode()).digest())


def _jwks(keys: dict[str, RSAPublicKey]) -> bytes:
    told = [
        {**_jwk(key), "kid": key_id, "use": "sig", "alg": _ALGORITHM}
        for key_id, key in keys.items()
    ]
    return json.dumps({"keys": told}, separators=(",", ":")).encode()


def _base64(number: int) -> str:
    return _text(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
