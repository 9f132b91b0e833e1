"""Values of the chain as messages of the API."""

from datetime import datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from farmgate.api.blockchain.v1 import (
    blockchain_pb2,
    chain_events_pb2,
    chain_types_pb2,
    content_pb2,
)
from farmgate.blockchain import event_store
from farmgate.blockchain.facade import Event, Kind, Operation, State, Stored
from farmgate.blockchain.library import Visibility
from farmgate.blockchain.logic import Estimate, Found, Status
from farmgate.blockchain.shelf import Shelved
from farmgate.ports.chain import Signed

_KIND_PREFIX: Final = "CHAIN_OPERATION_KIND_"
_STATE_PREFIX: Final = "CHAIN_OPERATION_STATE_"
_VISIBILITY_PREFIX: Final = "CONTENT_VISIBILITY_"
_PIN_STATES: Final = {
    "NONE": content_pb2.PIN_STATE_UNSPECIFIED,
    "LOCAL": content_pb2.PIN_STATE_LOCAL,
    "NETWORK": content_pb2.PIN_STATE_NETWORK,
    "BOTH": content_pb2.PIN_STATE_BOTH,
}


def kind_of(number: int) -> Kind | None:
    """Returns the kind of an operation; None when it is not stated."""
    name = chain_types_pb2.ChainOperationKind.Name(number)  # type: ignore[arg-type] # Validated.
    return Kind(name.removeprefix(_KIND_PREFIX)) if number else None


def state_of(number: int) -> State | None:
    """Returns the state of an operation; None when it is not stated."""
    name = chain_types_pb2.ChainOperationState.Name(number)  # type: ignore[arg-type] # Validated.
    return State(name.removeprefix(_STATE_PREFIX)) if number else None


def visibility_of(number: int) -> Visibility:
    """Returns who may read content; PRIVATE when it is not stated."""
    if not number:
        return Visibility.PRIVATE
    name = content_pb2.ContentVisibility.Name(number)  # type: ignore[arg-type] # Validated.
    return Visibility(name.removeprefix(_VISIBILITY_PREFIX))


def operation_message(operation: Operation) -> chain_types_pb2.ChainOperation:
    """Returns an operation."""
    return chain_types_pb2.ChainOperation(
        operation_id=operation.id,
        kind=chain_types_pb2.ChainOperationKind.Value(f"{_KIND_PREFIX}{operation.kind}"),
        state=chain_types_pb2.ChainOperationState.Value(f"{_STATE_PREFIX}{operation.state}"),
        reference=operation.reference,
        payload_hash=operation.payload_hash,
        transaction_hash=operation.transaction_hash,
        nonce=operation.nonce or 0,
        gas_limit=operation.gas_limit,
        max_fee_wei=str(operation.max_fee_wei) if operation.max_fee_wei else "",
        attempts=operation.attempts,
        block_number=operation.block_number,
        confirmations=operation.confirmations,
        error=operation.error,
        create_time=_stamp(operation.created_at),
        update_time=_stamp(operation.updated_at),
    )


def status_message(status: Status) -> blockchain_pb2.GetChainStatusResponse:
    """Returns the state of the chain."""
    return blockchain_pb2.GetChainStatusResponse(
        is_enabled=status.is_enabled,
        is_connected=status.is_connected,
        is_simulated=status.is_simulated,
        chain_id=status.chain_id,
        block_number=status.block_number,
        block_time=_stamp(status.block_time) if status.block_time else None,
        registry_address=status.registry_address,
        operator_address=status.operator_address,
        pending_operations=status.pending_count,
        confirmations_needed=status.confirmations_needed,
    )


def estimate_message(estimate: Estimate) -> blockchain_pb2.EstimateGasResponse:
    """Returns what an operation costs."""
    return blockchain_pb2.EstimateGasResponse(
        gas=estimate.gas,
        gas_limit=estimate.gas_limit,
        base_fee_wei=str(estimate.base_fee_wei),
        priority_fee_wei=str(estimate.tip_wei),
        max_fee_wei=str(estimate.max_fee_wei),
        total_fee_wei=str(estimate.max_fee_wei * estimate.gas_limit),
    )


def signed_message(signed: Signed, operator: str) -> blockchain_pb2.SignTransactionResponse:
    """Returns a signed transaction."""
    return blockchain_pb2.SignTransactionResponse(
        raw_transaction=signed.raw, transaction_hash=signed.hash, from_address=operator
    )


def transaction_message(found: Found) -> chain_types_pb2.ChainTransaction:
    """Returns a transaction."""
    transaction, receipt = found.transaction, found.receipt
    return chain_types_pb2.ChainTransaction(
        hash=transaction.hash,
        from_address=transaction.from_address,
        to_address=transaction.to_address,
        nonce=transaction.nonce,
        block_number=receipt.block_number if receipt else 0,
        block_hash=receipt.block_hash if receipt else "",
        confirmations=found.confirmations,
        is_successful=receipt is not None and receipt.is_successful,
        gas_used=receipt.gas_used if receipt else 0,
        operation_id=found.operation_id,
        events=map(event_message, found.events),
    )


def event_message(event: Event) -> chain_events_pb2.ChainEvent:
    """Returns an event of a registry."""
    return chain_events_pb2.ChainEvent(
        chain_id=event.chain_id,
        block_number=event.block_number,
        log_index=event.log_index,
        transaction_hash=event.transaction_hash,
        address=event.address,
        name=event.name,
        arguments_json=event.arguments,
        reference=event.reference,
        is_removed=event.step == event_store.REMOVED,
        is_confirmed=event.step == event_store.CONFIRMED,
        block_time=_stamp(event.block_time),
    )


def object_message(stored: Stored) -> content_pb2.ContentObject:
    """Returns what is known of content."""
    return content_pb2.ContentObject(
        cid=stored.cid,
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        media_type=stored.media_type,
        visibility=content_pb2.ContentVisibility.Value(f"{_VISIBILITY_PREFIX}{stored.visibility}"),
        pin_state=_PIN_STATES[stored.pin_state],
        is_encrypted=stored.wrapped_key is not None,
        contract_id=stored.contract_id,
        create_time=_stamp(stored.created_at),
    )


def upload_message(shelved: Shelved) -> content_pb2.UploadToIpfsResponse:
    """Returns the reply to an upload."""
    return content_pb2.UploadToIpfsResponse(
        object=object_message(shelved.stored), quota_left_bytes=shelved.quota_left_bytes
    )


def _stamp(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
