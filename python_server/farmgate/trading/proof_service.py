"""The gRPC face of proofs."""

from collections.abc import AsyncIterator

from google.api.httpbody_pb2 import HttpBody

from farmgate.api.trading.v1 import trading_pb2
from farmgate.rpc.call import Call
from farmgate.rpc.registry import Servicer
from farmgate.trading.proofs import Proofs

_MEDIA_TYPE = "application/octet-stream"


class ProofServicer(Servicer):
    """Serves `ProofService`.

    Args:
        proofs: Reads the journal.
    """

    SERVICE = trading_pb2.DESCRIPTOR.services_by_name["ProofService"]

    def __init__(self, proofs: Proofs) -> None:
        self._proofs = proofs

    async def GetReceipt(
        self, request: trading_pb2.GetReceiptRequest, call: Call
    ) -> trading_pb2.GetReceiptResponse:
        found = await self._proofs.receipt(request.order_id, call)
        return trading_pb2.GetReceiptResponse(
            sequence=found.sequence,
            chain_hash=found.chain,
            signature=found.signature,
            order_id=found.order_id,
            leaf_hash=found.leaf,
            public_key=self._proofs.public_key,
            salt=found.salt,
        )

    async def GetInclusionProof(
        self, request: trading_pb2.GetInclusionProofRequest, call: Call
    ) -> trading_pb2.GetInclusionProofResponse:
        del call
        found = await self._proofs.inclusion(request.sequence)
        return trading_pb2.GetInclusionProofResponse(
            leaf_hash=found.leaf,
            path=found.path,
            root=found.day.root,
            date=found.day.date,
            sequence=request.sequence,
            leaf_index=found.index,
            leaf_count=found.count,
        )

    async def GetJournalAnchor(
        self, request: trading_pb2.GetJournalAnchorRequest, call: Call
    ) -> trading_pb2.GetJournalAnchorResponse:
        del call
        day, transaction_hash = await self._proofs.anchor(request.date)
        return trading_pb2.GetJournalAnchorResponse(
            date=day.date,
            first_sequence=day.first_sequence,
            last_sequence=day.last_sequence,
            root=day.root,
            transaction_hash=transaction_hash,
            previous_root=day.previous_root,
            chain_hash=day.chain,
            manifest_cid=day.cid,
            public_key=self._proofs.public_key,
        )

    async def DownloadJournal(
        self, request: trading_pb2.DownloadJournalRequest, call: Call
    ) -> AsyncIterator[HttpBody]:
        del call
        async for piece in self._proofs.journal(request.date):
            yield HttpBody(content_type=_MEDIA_TYPE, data=piece)
