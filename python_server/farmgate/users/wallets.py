"""Wallets of people: proved by a signed message of EIP-4361, each challenge good once."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import Connection

from farmgate.errors import DomainError, invalid
from farmgate.ports.wallets import checksummed, personal_digest, recovered
from farmgate.users import wallet_store as store

_HOLDS: Final = timedelta(minutes=10)
_NONCE_BYTES: Final = 12
_STATEMENT: Final = "Prove to Farmgate that this wallet is yours."
_FIELDS: Final = ("URI", "Version", "Chain ID", "Nonce", "Issued At", "Expiration Time")
_LINE_COUNT: Final = 11
_FIRST_LINE: Final = re.compile(r"(\S+) wants you to sign in with your Ethereum account:")

# Tells whether something keeps a user's wallet from being changed.
Lock = Callable[[Connection, str], bool]


@dataclass(frozen=True, slots=True)
class Challenge:
    """A message to sign."""

    message: str
    nonce: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Statement:
    """What a signed message says."""

    domain: str
    address: str
    uri: str
    chain_id: int
    nonce: str
    expires_at: datetime


class Wallets:
    """Issues challenges and judges who signed them.

    Args:
        origin: Origin of the web frontend, which the message names.
        chain_id: Number of the chain that it names.
    """

    def __init__(self, origin: str, chain_id: int) -> None:
        self._origin = origin
        self._domain = urlsplit(origin).netloc
        self._chain_id = chain_id
        self._locks: list[Lock] = []

    def lock_by(self, lock: Lock) -> None:
        """Asks this too before a wallet is changed or unlinked."""
        self._locks.append(lock)

    def is_locked(self, connection: Connection, user_id: str) -> bool:
        """Returns whether the wallet of a user has to stay."""
        return any(lock(connection, user_id) for lock in self._locks)

    def issue(self, connection: Connection, address: str, user_id: str, now: datetime) -> Challenge:
        """Stores a challenge for a wallet and returns it.

        Args:
            connection: The transaction.
            address: The wallet.
            user_id: Who links it; empty for somebody who signs in.
            now: The time.
        """
        nonce = secrets.token_hex(_NONCE_BYTES)
        until = now + _HOLDS
        message = "\n".join(
            (
                f"{self._domain} wants you to sign in with your Ethereum account:",
                checksummed(address),
                "",
                _STATEMENT,
                "",
                f"URI: {self._origin}",
                "Version: 1",
                f"Chain ID: {self._chain_id}",
                f"Nonce: {nonce}",
                f"Issued At: {_text(now)}",
                f"Expiration Time: {_text(until)}",
            )
        )
        store.insert_challenge(
            connection, nonce=nonce, user_id=user_id, address=address.lower(), issued_at=now,
            expires_at=until,
        )  # fmt: skip
        return Challenge(message, nonce, until)

    def proved(
        self, connection: Connection, message: str, signature: str, user_id: str, now: datetime
    ) -> str:
        """Returns the wallet, in lower case, that signed a challenge; the challenge is then used.

        Raises:
            DomainError: INVALID_ARGUMENT, WALLET_DOMAIN_MISMATCH, WALLET_CHALLENGE_EXPIRED,
                WALLET_NONCE_INVALID, WALLET_SIGNATURE_INVALID or SIGNER_WALLET_MISMATCH.
        """
        stated = parsed(message)
        if stated.domain != self._domain or stated.uri != self._origin:
            raise DomainError("WALLET_DOMAIN_MISMATCH", expected=self._domain)
        if stated.chain_id != self._chain_id:
            raise invalid("message", f"must name chain {self._chain_id}")
        if stated.expires_at <= now:
            raise DomainError("WALLET_CHALLENGE_EXPIRED", expired_at=_text(stated.expires_at))
        try:
            signer = recovered(
                personal_digest(message), bytes.fromhex(signature.removeprefix("0x"))
            )
        except (DomainError, ValueError) as error:
            raise DomainError("WALLET_SIGNATURE_INVALID") from error
        if signer != stated.address.lower():
            raise DomainError("SIGNER_WALLET_MISMATCH", expected=stated.address)
        used = store.use_challenge(connection, stated.nonce, user_id, signer, now)
        if used is None or _text(used) != _text(stated.expires_at):
            raise DomainError("WALLET_NONCE_INVALID")
        return signer


def parsed(message: str) -> Statement:
    """Returns what a message of EIP-4361 says; it must have the very form that is issued.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    refusal = invalid("message", "must be the message of the challenge")
    lines = message.split("\n")
    first = _FIRST_LINE.fullmatch(lines[0])
    if len(lines) != _LINE_COUNT or not first or lines[2:5] != ["", _STATEMENT, ""]:
        raise refusal
    values = {}
    for name, line in zip(_FIELDS, lines[5:], strict=True):
        found, _, value = line.partition(": ")
        if found != name:
            raise refusal
        values[name] = value
    if checksummed(lines[1]) != lines[1] or values["Version"] != "1":
        raise refusal
    try:
        expires_at = datetime.strptime(values["Expiration Time"], "%Y-%m-%dT%H:%M:%SZ").replace(
            tzinfo=UTC
        )
        chain_id = int(values["Chain ID"])
    except ValueError as error:
        raise refusal from error
    return Statement(first[1], lines[1], values["URI"], chain_id, values["Nonce"], expires_at)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
