"""Second factors: codes of an authenticator, and recovery codes for a lost one."""

import hashlib
import secrets
from base64 import b32encode
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection

from farmgate.auth import factor_store, rules
from farmgate.db.outbox import Announcement, announce
from farmgate.errors import DomainError

# 160 bits, as RFC 4226, section 4, recommends.
_SECRET_BYTES: Final = 20
_NONCE_BYTES: Final = 12
# 120 bits: nobody guesses them, so a plain hash is kept.
_RECOVERY_BYTES: Final = 15
RECOVERY_CODES: Final = 10
_GROUP: Final = 4


class Factors:
    """Keeps second factors and takes their codes, in the caller's transaction.

    Args:
        key: Key of 32 bytes that secrets are encrypted under.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def enroll(self, transaction: Connection, user_id: str, now: datetime) -> str:
        """Stores a new secret, not in use yet, and returns it in base32.

        Raises:
            DomainError: RESOURCE_STATE when one is in use.
        """
        factor = factor_store.factor_of(transaction, user_id)
        if factor and factor.is_confirmed:
            raise _state(user_id, "on", "setting it up")
        secret = secrets.token_bytes(_SECRET_BYTES)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, secret, user_id.encode())
        factor_store.replace_factor(transaction, user_id, sealed, now)
        return b32encode(secret).decode()

    def confirm(self, transaction: Connection, user_id: str, code: str, now: datetime) -> list[str]:
        """Puts the factor in use and returns its recovery codes.

        Raises:
            DomainError: RESOURCE_STATE or MFA_INVALID.
        """
        factor = factor_store.factor_of(transaction, user_id)
        if factor is None or factor.is_confirmed:
            raise _state(user_id, "on" if factor else "off", "confirming it")
        if not self._takes_code(transaction, user_id, factor.secret, code, now):
            raise DomainError("MFA_INVALID")
        codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
        factor_store.confirm_factor(transaction, user_id, map(_hash, codes), now)
        return codes

    def spend(self, transaction: Connection, user_id: str, code: str, now: datetime) -> None:
        """Takes a code of the authenticator or a recovery code; each is good once.

        Raises:
            DomainError: MFA_REQUIRED without a code, or MFA_INVALID.
        """
        if not code:
            raise DomainError("MFA_REQUIRED")
        factor = factor_store.factor_of(transaction, user_id)
        if factor is None or not factor.is_confirmed:
            raise DomainError("MFA_INVALID")
        if self._takes_code(transaction, user_id, factor.secret, code, now):
            return
        if not factor_store.use_recovery_code(transaction, user_id, _hash(code), now):
            raise DomainError("MFA_INVALID")
        announce(transaction, Announcement("auth.recovery_code_used", now, user_id=user_id))

    @staticmethod
    def remove(transaction: Connection, user_id: str) -> None:
        """Removes the factor and its recovery codes."""
        factor_store.remove_factor(transaction, user_id)

    def _takes_code(
        self, transaction: Connection, user_id: str, sealed: bytes, code: str, now: datetime
    ) -> bool:
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        secret = b32encode(self._cipher.decrypt(nonce, rest, user_id.encode())).decode()
        step = rules.totp_step(secret, code, now)
        return step is not None and factor_store.use_step(transaction, user_id, step)


def _recovery_code() -> str:
    text = b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode()
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))


def _hash(code: str) -> bytes:
    plain = code.replace("-", "").replace(" ", "").upper()
    return hashlib.sha256(plain.encode()).digest()


def _state(user_id: str, state: str, action: str) -> DomainError:
    return DomainError(
        "RESOURCE_STATE", resource="second factor of", id=user_id, state=state, action=action
    )
