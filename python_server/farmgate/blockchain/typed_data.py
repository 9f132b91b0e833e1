"""What the wallets of both parties sign: EIP-712, and how a signature is judged. Pure.

The registry on the chain computes the same digest (`abi/ForwardRegistry.vy`); a test holds both to
each other and to the vector of the design.
"""

from dataclasses import dataclass
from typing import Any, Final

from farmgate.errors import DomainError
from farmgate.ports.ids import ulid_bytes
from farmgate.ports.wallets import address_of, checksummed, keccak256, recovered

__all__ = ["address_of", "checksummed", "keccak256", "recovered"]

DOMAIN_NAME: Final = "Farmgate Forward"
DOMAIN_VERSION: Final = "1"
ZERO_ADDRESS: Final = "0x" + "0" * 40
_WORD: Final = 32
_DOMAIN_FIELDS: Final = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)
_CONTRACT_FIELDS: Final = (
    ("contractId", "bytes16"),
    ("version", "uint32"),
    ("seller", "address"),
    ("buyer", "address"),
    ("commodity", "string"),
    ("quantity", "string"),
    ("price", "string"),
    ("deliveryStart", "uint64"),
    ("deliveryEnd", "uint64"),
    ("termsHash", "bytes32"),
    ("termsCid", "string"),
    ("signBy", "uint64"),
)
# The longest text of each field that the registry takes, in bytes of UTF-8.
TEXT_BYTES_MAX: Final = {"commodity": 64, "quantity": 64, "price": 128, "termsCid": 64}


@dataclass(frozen=True, slots=True)
class SigningDomain:
    """Where a signature is good: one registry on one chain."""

    chain_id: int
    verifying_contract: str


@dataclass(frozen=True, slots=True)
class ForwardContract:
    """What both parties sign.

    Attributes:
        contract_id: ULID.
        version: Version of the contract, from 1.
        seller: Wallet, with the checksum of EIP-55 or in lower case.
        buyer: Wallet.
        commodity: Commodity and grade in words, at most 64 bytes.
        quantity: Quantity, unit and tolerance in words, at most 64 bytes.
        price: Price in words, at most 128 bytes.
        delivery_start: Seconds since 1970.
        delivery_end: Seconds since 1970.
        terms_hash: Keccak-256 of the canonical terms, 32 bytes.
        terms_cid: Identifier of the canonical terms.
        sign_by: Seconds since 1970.
    """

    contract_id: str
    version: int
    seller: str
    buyer: str
    commodity: str
    quantity: str
    price: str
    delivery_start: int
    delivery_end: int
    terms_hash: bytes
    terms_cid: str
    sign_by: int

    def values(self) -> dict[str, Any]:
        """Returns the fields under their names on the chain."""
        return {
            "contractId": ulid_bytes(self.contract_id),
            "version": self.version,
            "seller": checksummed(self.seller),
            "buyer": checksummed(self.buyer),
            "commodity": self.commodity,
            "quantity": self.quantity,
            "price": self.price,
            "deliveryStart": self.delivery_start,
            "deliveryEnd": self.delivery_end,
            "termsHash": self.terms_hash,
            "termsCid": self.terms_cid,
            "signBy": self.sign_by,
        }


def digest(domain: SigningDomain, contract: ForwardContract) -> bytes:
    """Returns the 32 bytes that a wallet signs."""
    separator = _struct_hash("EIP712Domain", _DOMAIN_FIELDS, _domain_values(domain))
    content = _struct_hash("ForwardContract", _CONTRACT_FIELDS, contract.values())
    return keccak256(b"\x19\x01" + separator + content)


def typed_data(domain: SigningDomain, contract: ForwardContract) -> dict[str, Any]:
    """Returns what `eth_signTypedData_v4` takes."""
    values = contract.values()
    message = {
        name: f"0x{value.hex()}" if isinstance(value, bytes) else value
        for name, value in values.items()
    }
    return {
        "types": {
            "EIP712Domain": _type_list(_DOMAIN_FIELDS),
            "ForwardContract": _type_list(_CONTRACT_FIELDS),
        },
        "primaryType": "ForwardContract",
        "domain": _domain_values(domain),
        "message": message,
    }


def check_signature(signed: bytes, signature: bytes, wallet: str) -> None:
    """Judges a wallet's signature over a digest.

    Raises:
        DomainError: SIGNATURE_INVALID when it has not the one form that is taken (65 bytes, the
            lower s, v of 27 or 28), SIGNER_WALLET_MISMATCH when it is another wallet's.
    """
    if recovered(signed, signature) != wallet.lower():
        raise DomainError("SIGNER_WALLET_MISMATCH", expected=checksummed(wallet))


def created_address(sender: str, nonce: int) -> str:
    """Returns the address, with checksum, of the contract that a transaction will create."""
    account = bytes.fromhex(sender.removeprefix("0x"))
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    # RLP: a number below 128 stands for itself, zero is the empty string.
    coded = number if len(number) == 1 and nonce < 0x80 else bytes((0x80 + len(number),)) + number  # noqa: PLR2004 - As RLP has it.
    body = bytes((0x80 + len(account),)) + account + coded
    return checksummed(keccak256(bytes((0xC0 + len(body),)) + body)[-20:].hex())


def _domain_values(domain: SigningDomain) -> dict[str, Any]:
    return {
        "name": DOMAIN_NAME,
        "version": DOMAIN_VERSION,
        "chainId": domain.chain_id,
        "verifyingContract": checksummed(domain.verifying_contract),
    }


def _struct_hash(name: str, fields: tuple[tuple[str, str], ...], values: dict[str, Any]) -> bytes:
    signature = f"{name}({','.join(f'{kind} {field}' for field, kind in fields)})"
    words = [keccak256(signature.encode())]
    words += [_word(kind, values[field]) for field, kind in fields]
    return keccak256(b"".join(words))


def _word(kind: str, value: Any) -> bytes:
    if kind == "string":
        return keccak256(value.encode())
    if kind == "address":
        return bytes.fromhex(value[2:]).rjust(_WORD, b"\0")
    if kind.startswith("bytes"):
        size = int(kind.removeprefix("bytes"))
        assert len(value) == size, f"{kind} has {len(value)} bytes."
        return bytes(value).ljust(_WORD, b"\0")
    assert 0 <= value < 1 << int(kind.removeprefix("uint")), f"{value} is no {kind}."
    return int(value).to_bytes(_WORD, "big")


def _type_list(fields: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in fields]
