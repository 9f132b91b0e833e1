"""The gRPC face of the chain and of content."""

from collections.abc import AsyncIterator, Mapping
from typing import ClassVar, Final

from google.api.httpbody_pb2 import HttpBody
from sqlalchemy import Connection

from farmgate.api.blockchain.v1 import blockchain_pb2, chain_events_pb2, content_pb2
from farmgate.blockchain import event_store
from farmgate.blockchain.facade import ChainOperations, Event, Operation
from farmgate.blockchain.logic import Desk, Wanted
from farmgate.blockchain.messages import (
    estimate_message,
    event_message,
    kind_of,
    operation_message,
    signed_message,
    state_of,
    status_message,
    transaction_message,
    upload_message,
    visibility_of,
)
from farmgate.blockchain.rules import UPLOAD_BYTES_MAX
from farmgate.blockchain.shelf import Shelf
from farmgate.db.engine import Database
from farmgate.jobs.feed import Feed
from farmgate.ports.chain import Signed
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.rpc.registry import Servicer

_CHUNK_BYTES: Final = 256 * 1024
_EVENTS_MAX: Final = 200
_HEARTBEAT_S: Final = 1.0
# Around the content of an upload.
_ENVELOPE_BYTES: Final = 4_096


class BlockchainServicer(Servicer):
    """Serves `BlockchainService`.

    Args:
        desk: Answers.
        operations: Knows the operator.
        pager: Signs page tokens.
    """

    SERVICE = blockchain_pb2.DESCRIPTOR.services_by_name["BlockchainService"]
    QUIET_METHODS = frozenset({"GetChainStatus"})
    REQUEST_BYTES_MAX: ClassVar[Mapping[str, int]] = {
        "SignTransaction": 192 * 1024,
        "DeployContract": 128 * 1024,
    }

    def __init__(self, desk: Desk, operations: ChainOperations, pager: Pager) -> None:
        self._desk = desk
        self._operations = operations
        self._pager = pager

    async def DeployContract(
        self, request: blockchain_pb2.DeployContractRequest, call: Call
    ) -> blockchain_pb2.DeployContractResponse:
        def render(operation: Operation) -> blockchain_pb2.DeployContractResponse:
            return blockchain_pb2.DeployContractResponse(operation=operation_message(operation))

        return await self._desk.deploy(
            request.contract_name, request.constructor_arguments_json, call.effect(render)
        )

    async def SignTransaction(
        self, request: blockchain_pb2.SignTransactionRequest, call: Call
    ) -> blockchain_pb2.SignTransactionResponse:
        def render(signed: Signed) -> blockchain_pb2.SignTransactionResponse:
            return signed_message(signed, self._operations.operator)

        wanted = Wanted(
            to_address=request.to,
            data=bytes.fromhex(request.data.removeprefix("0x")),
            value_wei=int(request.value_wei or "0"),
            gas_limit=request.gas_limit,
            nonce=request.nonce if request.HasField("nonce") else None,
            is_broadcast=request.is_broadcast,
        )
        return await self._desk.sign(wanted, call.effect(render))

    async def EstimateGas(
        self, request: blockchain_pb2.EstimateGasRequest, call: Call
    ) -> blockchain_pb2.EstimateGasResponse:
        kind = kind_of(request.kind)
        assert kind is not None, "The request is validated."
        return estimate_message(await self._desk.estimate(kind, request.reference))

    async def GetTransaction(
        self, request: blockchain_pb2.GetTransactionRequest, call: Call
    ) -> blockchain_pb2.GetTransactionResponse:
        found = await self._desk.transaction(request.hash)
        return blockchain_pb2.GetTransactionResponse(transaction=transaction_message(found))

    async def ListChainOperations(
        self, request: blockchain_pb2.ListChainOperationsRequest, call: Call
    ) -> blockchain_pb2.ListChainOperationsResponse:
        caller = call.caller.user_id
        after = self._pager.after(request, request.page_token, caller=caller)
        size = page_size(request.page_size)
        states = {state for number in request.states if (state := state_of(number))}
        rows = await self._desk.page(
            user_id=None if call.bypasses_ownership else caller,
            kind=kind_of(request.kind),
            states=states,
            reference=request.reference,
            before=str(after[0]) if after else None,
            limit=size + 1,
        )
        token = ""
        if len(rows) > size:
            token = self._pager.token(request, (rows[size - 1].id,), caller=caller)
        return blockchain_pb2.ListChainOperationsResponse(
            operations=map(operation_message, rows[:size]), next_page_token=token
        )

    async def RetryChainOperation(
        self, request: blockchain_pb2.RetryChainOperationRequest, call: Call
    ) -> blockchain_pb2.RetryChainOperationResponse:
        def render(operation: Operation) -> blockchain_pb2.RetryChainOperationResponse:
            return blockchain_pb2.RetryChainOperationResponse(
                operation=operation_message(operation)
            )

        return await self._desk.retry(request.operation_id, call.effect(render))

    async def GetChainStatus(
        self, request: blockchain_pb2.GetChainStatusRequest, call: Call
    ) -> blockchain_pb2.GetChainStatusResponse:
        return status_message(await self._desk.status())


class ContentServicer(Servicer):
    """Serves `ContentService`.

    Args:
        shelf: Stores and reads content.
    """

    SERVICE = content_pb2.DESCRIPTOR.services_by_name["ContentService"]
    REQUEST_BYTES_MAX: ClassVar[Mapping[str, int]] = {
        "UploadToIpfs": UPLOAD_BYTES_MAX + _ENVELOPE_BYTES
    }

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def UploadToIpfs(
        self, request: content_pb2.UploadToIpfsRequest, call: Call
    ) -> content_pb2.UploadToIpfsResponse:
        return await self._shelf.put(
            request.content.data,
            media_type=request.content.content_type,
            visibility=visibility_of(request.visibility),
            contract_id=request.contract_id,
            expected_cid=request.expected_cid,
            user_id=call.caller.user_id,
            effect=call.effect(upload_message),
        )

    async def GetFromIpfs(
        self, request: content_pb2.GetFromIpfsRequest, call: Call
    ) -> AsyncIterator[HttpBody]:
        stored, data = await self._shelf.get(
            request.cid, user_id=call.caller.user_id, reads_all=call.bypasses_ownership
        )
        for start in range(0, len(data), _CHUNK_BYTES):
            part = data[start : start + _CHUNK_BYTES]
            yield HttpBody(content_type=stored.media_type, data=part)


class ChainEventServicer(Servicer):
    """Serves `ChainEventService`.

    Args:
        database: Where events are kept.
        feed: Tells when there are more.
    """

    SERVICE = chain_events_pb2.DESCRIPTOR.services_by_name["ChainEventService"]

    def __init__(self, database: Database, feed: Feed) -> None:
        self._database = database
        self._feed = feed

    async def WatchChainEvents(
        self, request: chain_events_pb2.WatchChainEventsRequest, call: Call
    ) -> AsyncIterator[chain_events_pb2.WatchChainEventsResponse]:
        position = await self._database.read(lambda tx: _start(tx, request))
        names = frozenset(request.names)
        while True:
            events, reached, block_number = await self._database.read(
                lambda tx, after=position: _next(tx, after)  # type: ignore[misc] # mypy does not see defaults.
            )
            position = reached
            for event in events:
                is_wanted = not names or event.name in names
                if is_wanted and request.reference in {"", event.reference}:
                    yield chain_events_pb2.WatchChainEventsResponse(
                        event=event_message(event), block_number=block_number
                    )
            is_full = len(events) == _EVENTS_MAX
            if not is_full and not await self._feed.moved(position, _HEARTBEAT_S):
                yield chain_events_pb2.WatchChainEventsResponse(
                    is_heartbeat=True, block_number=block_number
                )


def _start(connection: Connection, request: chain_events_pb2.WatchChainEventsRequest) -> int:
    if request.from_block or request.from_log_index:
        return event_store.sequence_before(
            connection, min(request.from_block, (1 << 63) - 1), request.from_log_index
        )
    return event_store.last_sequence(connection)


def _next(connection: Connection, after: int) -> tuple[list[Event], int, int]:
    last = event_store.last_sequence(connection)
    events = event_store.events_after(connection, after, reached=last, limit=_EVENTS_MAX)
    reached = events[-1].sequence if len(events) == _EVENTS_MAX else max(last, after)
    row = event_store.state(connection)
    return events, reached, int(row.block_number) if row is not None else 0
