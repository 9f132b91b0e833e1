"""The keys of proofs, derived of the installation's secret, and the words that a receipt signs.

They stay as long as the journal does: another secret makes another public journal.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY_BYTES: Final = 32
_COVER: Final = b"farmgate public journal 1"
_SIGN: Final = b"farmgate receipts 1"


@dataclass(frozen=True, slots=True)
class ProofKeys:
    """What covers personal fields, and what signs receipts."""

    cover: bytes
    sign: Ed25519PrivateKey

    @classmethod
    def of(cls, secret: bytes) -> "ProofKeys":
        """Returns the keys of an installation's secret."""
        return cls(
            _derived(secret, _COVER), Ed25519PrivateKey.from_private_bytes(_derived(secret, _SIGN))
        )

    @property
    def public(self) -> str:
        """Returns the public key of receipts, as hexadecimal."""
        return self.sign.public_key().public_bytes_raw().hex()

    def signature(self, sequence: int, order_id: int, chain: str) -> str:
        """Returns the signature of a receipt, as hexadecimal."""
        return self.sign.sign(receipt_words(sequence, order_id, chain)).hex()


def receipt_words(sequence: int, order_id: int, chain: str) -> bytes:
    """Returns what the signature of a receipt is over."""
    return f"farmgate receipt 1\n{sequence}\n{order_id}\n{chain}\n".encode()


def is_signed(public_key: str, signature: str, words: bytes) -> bool:
    """Returns whether a signature, both as hexadecimal, is of these words."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(signature), words)
    except (ValueError, InvalidSignature):
        return False
    return True


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(hashes.SHA256(), _KEY_BYTES, salt=None, info=purpose).derive(secret)


def canonical(values: dict[str, Any]) -> str:
    """Returns values as JSON in the one form that header and manifest have."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"))
