"""The gRPC face of trading: order entry goes to the core as bytes, history is read from tables."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar, Final

from google.protobuf.message import DecodeError
from sqlalchemy import Connection, Row

from farmgate.api.trading.v1 import trading_pb2
from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.ports.matching import Matching
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.trading import store
from farmgate.trading.accounts import Readable, own_account
from farmgate.trading.agreements import Agreements
from farmgate.trading.book_service import BookMethods
from farmgate.trading.history import History
from farmgate.trading.messages import Instruments, order_message, trade_message
from farmgate.trading.party_service import PartyMethods
from farmgate.trading.risk import AccountMethods
from farmgate.trading.sessions import Sessions
from farmgate.trading.simulation_service import SimulationMethods
from farmgate.trading.simulations import Simulations
from farmgate.trading.stream_service import OrderStreamServicer
from farmgate.trading.tables import STATUS_EXECUTED

_BATCH_BYTES_MAX: Final = 4 * 1024 * 1024
# Messages of a session that may wait for their answers; the caller's sending slows down beyond.
_SESSION_WINDOW: Final = 64
_BOOK_DEPTH_DEFAULT: Final = 20
# No account ever gets this number.
_NOBODY: Final = 2**32 - 1


def _key(call: Call) -> bytes:
    return (call.idempotency_key or "").encode("ascii", "replace")


class TradingServicer(
    AccountMethods, PartyMethods, SimulationMethods, BookMethods, OrderStreamServicer
):
    """Serves `TradingService`.

    Args:
        matching: The core.
        history: What the projector wrote.
        pager: Signs page tokens.
        sessions: Counts sessions of order entry.
        readable: Knows whose accounts a call reaches.
        agreements: What the parties of a trade may ask for.
        simulations: Runs backtests.
        database: Where calls are recorded.
    """

    RAW_METHODS = frozenset({
        "AmendOrder", "BatchCreateOrders", "CancelOrder", "CreateOrder", "MassCancel",
        "OrderSession",
    })  # fmt: skip
    QUIET_METHODS = frozenset({"GetOrderBook"})
    REQUEST_BYTES_MAX: ClassVar = {
        "BatchCreateOrders": _BATCH_BYTES_MAX,
        "OrderSession": _BATCH_BYTES_MAX,
    }

    def __init__(
        self, matching: Matching, history: History, pager: Pager, sessions: Sessions,
        readable: Readable, agreements: Agreements, simulations: Simulations,
        database: Database,
    ) -> None:  # fmt: skip
        super().__init__(matching, readable)
        self._agreements = agreements
        self._simulations = simulations
        self._database = database
        self._matching = matching
        self._sessions = sessions
        self._history = history
        self._pager = pager
        self._instruments = Instruments(matching)

    async def CreateOrder(self, request: bytes, call: Call) -> bytes:
        return await self._matching.create_order(own_account(call), _key(call), request)

    async def CancelOrder(self, request: bytes, call: Call) -> bytes:
        account = None if call.bypasses_ownership else await self._canceller(request, call)
        return await self._matching.cancel_order(account, _key(call), request)

    async def AmendOrder(self, request: bytes, call: Call) -> bytes:
        return await self._matching.amend_order(own_account(call), _key(call), request)

    async def BatchCreateOrders(self, request: bytes, call: Call) -> bytes:
        return await self._matching.batch_create_orders(own_account(call), request)

    async def MassCancel(self, request: bytes, call: Call) -> bytes:
        return await self._matching.mass_cancel(own_account(call), request)

    async def OrderSession(
        self, requests: AsyncIterator[bytes], call: Call
    ) -> AsyncIterator[bytes]:
        account = own_account(call)
        answers: asyncio.Queue[asyncio.Future[object] | None] = asyncio.Queue(_SESSION_WINDOW)

        async def submit() -> None:
            try:
                async for request in requests:
                    await answers.put(self._matching.order_session(account, request))
            finally:
                await answers.put(None)

        submitting = asyncio.create_task(submit())
        with self._sessions.session(account):
            try:
                while (answer := await answers.get()) is not None:
                    yield self._matching.session_reply(await answer)
                await submitting
            finally:
                submitting.cancel()

    async def GetOrder(
        self, request: trading_pb2.GetOrderRequest, call: Call
    ) -> trading_pb2.GetOrderResponse:
        expected = await self._expected(call, request.min_sequence)

        def work(transaction: Connection) -> object:
            return store.order(transaction, request.order_id)

        found, _ = await self._history.read(work, expected=expected, required=request.min_sequence)
        row = found
        account_id = None
        if row is not None:
            account_id = await self._readable.covered(call, row.account)  # type: ignore[attr-defined]
        if account_id is None:
            raise DomainError("ORDER_NOT_FOUND", order_id=request.order_id)
        instrument = self._instruments.get(row.instrument)  # type: ignore[attr-defined]
        return trading_pb2.GetOrderResponse(order=order_message(row, instrument, account_id))  # type: ignore[arg-type]

    async def ListOrders(
        self, request: trading_pb2.ListOrdersRequest, call: Call
    ) -> trading_pb2.ListOrdersResponse:
        account, account_id = await self._readable.account(call, request.account_id)
        wanted = store.OrderFilter(
            account=account,
            instrument=self._instrument(request.symbol),
            side=request.side,
            statuses=tuple(request.statuses),
        )
        after = self._pager.after(request, request.page_token, caller=call.caller.user_id)
        before = int(after[0]) if after else None
        limit = page_size(request.page_size)
        rows, sequence = await self._history.read(
            lambda tx: store.order_page(tx, wanted, before=before, limit=limit + 1),
            expected=await self._expected(call, request.min_sequence),
            required=request.min_sequence,
        )
        reply = trading_pb2.ListOrdersResponse(sequence=sequence)
        reply.orders.extend(
            order_message(row, self._instruments.get(row.instrument), account_id)
            for row in rows[:limit]
        )
        if len(rows) > limit:
            last = (rows[limit - 1].order_id,)
            reply.next_page_token = self._pager.token(request, last, caller=call.caller.user_id)
        return reply

    async def ListTrades(
        self, request: trading_pb2.ListTradesRequest, call: Call
    ) -> trading_pb2.ListTradesResponse:
        account, account_id = await self._readable.account(call, request.account_id)
        instrument = self._instrument(request.symbol)
        after = self._pager.after(request, request.page_token, caller=call.caller.user_id)
        before = int(after[0]) if after else None
        limit = page_size(request.page_size)

        def read(tx: Connection) -> tuple[list[Row[Any]], dict[int, Row[Any]]]:
            rows = store.trade_page(
                tx,
                account,
                instrument=instrument,
                order_id=request.order_id or None,
                before=before,
                limit=limit + 1,
            )
            changed = [row.trade_id for row in rows if row.status != STATUS_EXECUTED]
            return rows, store.trade_changes_of(tx, changed)

        (rows, changes), sequence = await self._history.read(
            read,
            expected=await self._expected(call, request.min_sequence),
            required=request.min_sequence,
        )
        reply = trading_pb2.ListTradesResponse(sequence=sequence)
        reply.trades.extend(
            trade_message(
                row,
                self._instruments.get(row.instrument),
                account,
                account_id,
                changes.get(row.trade_id),
            )
            for row in rows[:limit]
        )
        if len(rows) > limit:
            last = (rows[limit - 1].trade_id,)
            reply.next_page_token = self._pager.token(request, last, caller=call.caller.user_id)
        return reply

    async def GetOrderBook(
        self, request: trading_pb2.GetOrderBookRequest, call: Call
    ) -> trading_pb2.GetOrderBookResponse:
        await self._matching.caught_up(request.min_sequence)
        depth = request.depth or _BOOK_DEPTH_DEFAULT
        owner = self._owner(call) if request.include_orders else None
        book = self._matching.order_book(request.symbol, depth, owner)
        if book is None:
            raise DomainError("INSTRUMENT_UNKNOWN", symbol=request.symbol)
        return trading_pb2.GetOrderBookResponse.FromString(book)

    @staticmethod
    def _owner(call: Call) -> int:
        """Returns the caller's account; for others that of nobody."""
        caller = call.caller_or_none
        number = caller.account_number if caller else None
        return _NOBODY if number is None else number

    async def _canceller(self, request: bytes, call: Call) -> int:
        """Returns the account to cancel for: who manages an organisation may for its members."""
        own = own_account(call)
        if not call.manages:
            return own
        try:
            order_id = trading_pb2.CancelOrderRequest.FromString(request).order_id
        except DecodeError:
            # The core refuses what is malformed.
            return own
        found = self._matching.open_order(order_id)
        if found is None or await self._readable.covered(call, found[1]) is None:
            return own
        return found[1]

    async def _expected(self, call: Call, required: int) -> int:
        """Returns the sequence at which the caller sees its own last order event."""
        await self._matching.caught_up()
        number = call.caller.account_number
        own = 0 if number is None else self._matching.account_sequence(number)
        return max(own, required)

    def _instrument(self, symbol: str) -> int | None:
        if not symbol:
            return None
        number = self._instruments.number_of(symbol)
        if number is None:
            raise DomainError("INSTRUMENT_UNKNOWN", symbol=symbol)
        return number
