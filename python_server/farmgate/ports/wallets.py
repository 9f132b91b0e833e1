"""Wallets of Ethereum: addresses, and who signed what."""

from typing import Final

import coincurve
from Crypto.Hash import keccak

from farmgate.errors import DomainError

SIGNATURE_BYTES: Final = 65
# Order of secp256k1.
_N: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_V_OFFSET: Final = 27


def keccak256(data: bytes) -> bytes:
    """Returns the Keccak-256 of the data, Ethereum's hash."""
    return keccak.new(digest_bits=256, data=data).digest()


def recovered(signed: bytes, signature: bytes) -> str:
    """Returns the wallet in lower case that signed a digest.

    Raises:
        DomainError: SIGNATURE_INVALID.
    """
    if len(signature) != SIGNATURE_BYTES:
        raise DomainError("SIGNATURE_INVALID")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    recovery = signature[64] - _V_OFFSET
    # A signature has two forms; of them only the one with the lower s counts.
    if not (0 < r < _N and 0 < s <= _N // 2 and recovery in {0, 1}):
        raise DomainError("SIGNATURE_INVALID")
    try:
        key = coincurve.PublicKey.from_signature_and_message(
            signature[:64] + bytes((recovery,)), signed, hasher=None
        )
    except Exception as error:
        raise DomainError("SIGNATURE_INVALID") from error
    return address_of(key)


def address_of(key: coincurve.PublicKey) -> str:
    """Returns the address of a public key, in lower case."""
    return "0x" + keccak256(key.format(compressed=False)[1:])[-20:].hex()


def checksummed(address: str) -> str:
    """Returns an address with the checksum of EIP-55."""
    digits = address.removeprefix("0x").lower()
    marks = keccak256(digits.encode()).hex()
    cased = (d.upper() if int(mark, 16) >= 8 else d for d, mark in zip(digits, marks, strict=False))  # noqa: PLR2004 - The top bit of a hexadecimal digit.
    return "0x" + "".join(cased)


def personal_digest(message: str) -> bytes:
    """Returns the 32 bytes that a wallet signs for a text, by EIP-191."""
    data = message.encode()
    return keccak256(b"\x19Ethereum Signed Message:\n" + str(len(data)).encode() + data)
