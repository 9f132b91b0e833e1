"""What the exchange does on the chain, as plain values. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from farmgate.blockchain.typed_data import (
    ForwardContract,
    SigningDomain,
    checksummed,
    keccak256,
)
from farmgate.ports.ids import ulid_bytes

REGISTRY_NAME: Final = "ForwardRegistry"
REASON_BYTES_MAX: Final = 32
_HASH_BYTES: Final = 32


class Kind(StrEnum):
    """What an operation does."""

    DEPLOY = "DEPLOY"
    REGISTER = "REGISTER"
    AMEND = "AMEND"
    SETTLE = "SETTLE"
    CANCEL = "CANCEL"
    ANCHOR = "ANCHOR"
    RECEIPT_MINT = "RECEIPT_MINT"
    RECEIPT_BURN = "RECEIPT_BURN"


class State(StrEnum):
    """How far an operation is."""

    QUEUED = "QUEUED"
    PINNED = "PINNED"
    SIGNED = "SIGNED"
    BROADCAST = "BROADCAST"
    MINED = "MINED"
    CONFIRMED = "CONFIRMED"
    REPLACED = "REPLACED"
    REVERTED = "REVERTED"
    FAILED = "FAILED"


ENDED: Final = frozenset({State.CONFIRMED, State.REVERTED, State.FAILED})
# States in which a transaction with its nonce is, or may be, in the world and in no block.
SENT: Final = frozenset({State.SIGNED, State.BROADCAST, State.REPLACED})


@dataclass(frozen=True, slots=True)
class Payload:
    """What an operation calls on a registry.

    Attributes:
        kind: What it does.
        to_address: The registry; empty for a deployment.
        function: Function of the registry; the registry's name for a deployment.
        arguments: Arguments in order; bytes as hexadecimal with 0x.
    """

    kind: Kind
    to_address: str
    function: str
    arguments: tuple[Any, ...]

    def text(self) -> str:
        """Returns the payload as it is kept: the same payload, the same text."""
        parts = {"to": self.to_address, "function": self.function, "arguments": self.arguments}
        return json.dumps(parts, separators=(",", ":"), sort_keys=True)

    def hash(self) -> str:
        """Returns the Keccak-256 of the text, as hexadecimal with 0x."""
        return "0x" + keccak256(self.text().encode()).hex()


@dataclass(frozen=True, slots=True)
class Operation:
    """Something the exchange does on the chain.

    Attributes:
        id: ULID.
        kind: What it does.
        reference: Contract, receipt, day or registry.
        version: With kind and reference, the name of the operation.
        payload: What it calls, as text.
        payload_hash: Keccak-256 of it.
        to_address: The registry; empty for a deployment.
        chain_id: The chain.
        from_address: The operator.
        state: How far it is.
        revision: Counts the steps.
        attempts: Times it was signed.
        nonce: The operator's; None while no transaction of it may be in the world.
        gas_limit: 0 before it was estimated.
        max_fee_wei: Highest fee for a unit of gas.
        tip_wei: Tip for a unit of gas.
        transaction_hash: The transaction sent last, or the one in a block; empty before.
        sent_block: Newest block when it was sent last.
        block_number: 0 before it is in a block.
        block_hash: Empty before it is in a block.
        confirmations: Blocks since, its own included.
        error: Why it waits or failed; empty otherwise.
        created_at: When it was queued.
        updated_at: When it last changed.
    """

    id: str
    kind: Kind
    reference: str
    version: int
    payload: str
    payload_hash: str
    to_address: str
    chain_id: int
    from_address: str
    state: State
    revision: int
    attempts: int
    nonce: int | None
    gas_limit: int
    max_fee_wei: int
    tip_wei: int
    transaction_hash: str
    sent_block: int
    block_number: int
    block_hash: str
    confirmations: int
    error: str
    created_at: datetime
    updated_at: datetime

    @property
    def function(self) -> str:
        """Returns the function it calls."""
        return str(json.loads(self.payload)["function"])

    @property
    def arguments(self) -> list[Any]:
        """Returns the arguments of the call."""
        return list(json.loads(self.payload)["arguments"])


@dataclass(frozen=True, slots=True)
class Event:
    """What a registry announced.

    Attributes:
        sequence: Order in which it was told.
        step: SEEN, CONFIRMED or REMOVED.
        arguments: Arguments by name, as JSON.
        reference: Contract, receipt or day; empty for none.
    """

    sequence: int
    chain_id: int
    block_number: int
    block_hash: str
    log_index: int
    transaction_hash: str
    address: str
    name: str
    arguments: str
    reference: str
    step: str
    block_time: datetime


def registration(
    domain: SigningDomain,
    contract: ForwardContract,
    *,
    seller_signature: bytes,
    buyer_signature: bytes,
) -> Payload:
    """Returns the payload that registers a contract that both signed in this domain."""
    arguments = (_contract(contract), _hex(seller_signature), _hex(buyer_signature))
    return Payload(Kind.REGISTER, _address(domain), "register", arguments)


def amendment(
    domain: SigningDomain,
    contract: ForwardContract,
    *,
    seller_signature: bytes,
    buyer_signature: bytes,
) -> Payload:
    """Returns the payload that notes a later version that both signed in this domain."""
    arguments = (_contract(contract), _hex(seller_signature), _hex(buyer_signature))
    return Payload(Kind.AMEND, _address(domain), "amend", arguments)


def settlement(
    domain: SigningDomain,
    contract_id: str,
    *,
    statement_hash: bytes,
    statement_cid: str,
    is_short: bool,
) -> Payload:
    """Returns the payload that notes a settlement; the hash has 32 bytes."""
    arguments = (_id(contract_id), _hash(statement_hash), statement_cid, is_short)
    return Payload(Kind.SETTLE, _address(domain), "settle", arguments)


def cancellation(
    domain: SigningDomain, contract_id: str, *, reason: str, evidence_hash: bytes
) -> Payload:
    """Returns the payload that notes a cancellation; the hash has 32 bytes, zeros for none."""
    assert len(reason.encode()) <= REASON_BYTES_MAX, "The registry takes short reasons."
    arguments = (_id(contract_id), reason, _hash(evidence_hash))
    return Payload(Kind.CANCEL, _address(domain), "cancel", arguments)


def anchoring(
    domain: SigningDomain,
    day: int,
    *,
    sequences: tuple[int, int],
    root: bytes,
    previous_root: bytes,
    cid: str,
) -> Payload:
    """Returns the payload that notes a day's journal.

    Args:
        domain: Names the registry.
        day: The day as a number, such as 20261201.
        sequences: First and last sequence of the day.
        root: Merkle root of the day.
        previous_root: The root anchored before; zeros for the first.
        cid: Identifier of the day's leaf file.
    """
    arguments = (day, *sequences, _hash(root), _hash(previous_root), cid)
    return Payload(Kind.ANCHOR, _address(domain), "anchor", arguments)


def receipt_issue(domain: SigningDomain, receipt_id: str, *, content_hash: bytes) -> Payload:
    """Returns the payload that notes a warehouse receipt."""
    arguments = (_id(receipt_id), _hash(content_hash))
    return Payload(Kind.RECEIPT_MINT, _address(domain), "issueReceipt", arguments)


def receipt_burn(domain: SigningDomain, receipt_id: str) -> Payload:
    """Returns the payload that takes a warehouse receipt back."""
    return Payload(Kind.RECEIPT_BURN, _address(domain), "burnReceipt", (_id(receipt_id),))


def deployment(operator: str) -> Payload:
    """Returns the payload that deploys a registry."""
    return Payload(Kind.DEPLOY, "", REGISTRY_NAME, (checksummed(operator),))


def _contract(contract: ForwardContract) -> list[Any]:
    return [_plain(value) for value in contract.values().values()]


def _plain(value: Any) -> Any:
    return _hex(value) if isinstance(value, bytes) else value


def _id(ulid: str) -> str:
    return _hex(ulid_bytes(ulid))


def _hash(value: bytes) -> str:
    assert len(value) == _HASH_BYTES, "A hash has 32 bytes."
    return _hex(value)


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"


def _address(domain: SigningDomain) -> str:
    return checksummed(domain.verifying_contract)


def flat_arguments(names: Sequence[Any], arguments: Sequence[Any]) -> Mapping[str, Any]:
    """Returns arguments by name, those of a struct among the others.

    Args:
        names: Inputs of the function as its ABI states them.
        arguments: The arguments in order.
    """
    flat: dict[str, Any] = {}
    for stated, value in zip(names, arguments, strict=True):
        if stated["type"] == "tuple":
            flat.update(flat_arguments(stated["components"], value))
        else:
            flat[stated["name"]] = value
    return flat
