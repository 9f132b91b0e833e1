"""The gRPC face of holds, statements of account and confirmations of trades."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Final

from google.api.httpbody_pb2 import HttpBody

from farmgate.api.types.v1 import types_pb2
from farmgate.api.users.v1 import statements_pb2, users_pb2
from farmgate.errors import DomainError
from farmgate.ports.matching import Hold, Matching
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.rpc.registry import Servicer
from farmgate.trading import rules, statement_rules
from farmgate.trading.accounts import Readable
from farmgate.trading.confirmations import Confirmation, Confirmations, Confirmed
from farmgate.trading.messages import timestamp
from farmgate.trading.statement_rules import Place
from farmgate.trading.statements import Statement, Statements
from farmgate.users.messages import timestamp as moment

_JSON: Final = statements_pb2.STATEMENT_FORMAT_JSON
_PDF: Final = statements_pb2.STATEMENT_FORMAT_PDF
_CHUNK_BYTES: Final = 64 * 1024
_COLUMNS: Final = ("post_time", "kind", "asset", "amount", "balance", "reference")


class StatementServicer(Servicer):
    """Serves `StatementService`.

    Args:
        matching: The core.
        statements: Draws statements up.
        confirmations: Draws confirmations up.
        readable: Knows whose accounts a call may show.
        pager: Signs page tokens.
    """

    SERVICE = statements_pb2.DESCRIPTOR.services_by_name["StatementService"]

    def __init__(
        self, matching: Matching, statements: Statements, confirmations: Confirmations,
        readable: Readable, pager: Pager,
    ) -> None:  # fmt: skip
        self._matching = matching
        self._statements = statements
        self._confirmations = confirmations
        self._readable = readable
        self._pager = pager

    async def ListHolds(
        self, request: statements_pb2.ListHoldsRequest, call: Call
    ) -> statements_pb2.ListHoldsResponse:
        account, account_id = await self._readable.account(call, request.account_id)
        if request.asset and request.asset not in self._matching.assets():
            raise DomainError("NOT_FOUND", resource="asset", id=request.asset)
        after = self._pager.after(request, request.page_token, caller=call.caller.user_id)
        limit = page_size(request.page_size)
        await self._matching.caught_up(request.min_sequence)
        sequence = self._matching.applied_sequence()
        found = [
            message
            for hold in self._matching.holds(account)
            if (message := _hold(hold, account_id)).reason == (request.reason or message.reason)
            and message.asset == (request.asset or message.asset)
        ]
        # Orders, the newest first; then deposits of positions, which have no time.
        found.sort(key=_place_of_hold, reverse=True)
        if after:
            found = [one for one in found if _place_of_hold(one) < after]
        reply = statements_pb2.ListHoldsResponse(holds=found[:limit], sequence=sequence)
        if len(found) > limit:
            place = _place_of_hold(found[limit - 1])
            reply.next_page_token = self._pager.token(request, place, caller=call.caller.user_id)
        return reply

    async def ListStatements(
        self, request: statements_pb2.ListStatementsRequest, call: Call
    ) -> statements_pb2.ListStatementsResponse:
        account, account_id = await self._readable.account(call, request.account_id)
        after = self._pager.after(request, request.page_token, caller=call.caller.user_id)
        limit = page_size(request.page_size)
        before = str(after[0]) if after else ""
        found = await self._statements.page(
            account, account_id, period=request.period, before=before, limit=limit + 1
        )
        reply = statements_pb2.ListStatementsResponse(statements=map(_statement, found[:limit]))
        if len(found) > limit:
            reply.next_page_token = self._pager.token(
                request, (found[limit - 1].place.id,), caller=call.caller.user_id
            )
        return reply

    async def GetStatement(
        self, request: statements_pb2.GetStatementRequest, call: Call
    ) -> statements_pb2.GetStatementResponse:
        place, account_id = await self._place(request.statement_id, call)
        found = await self._statements.get(place, account_id)
        return statements_pb2.GetStatementResponse(statement=_statement(found))

    async def DownloadStatement(
        self, request: statements_pb2.DownloadStatementRequest, call: Call
    ) -> AsyncIterator[HttpBody]:
        place, account_id = await self._place(request.statement_id, call)
        if request.format == _JSON:
            async for text in self._statements.texts(place, account_id):
                yield HttpBody(content_type="application/json", data=text.encode())
            return
        if request.format == _PDF:
            data = await self._statements.pages(place, account_id)
            for start in range(0, len(data), _CHUNK_BYTES):
                part = data[start : start + _CHUNK_BYTES]
                yield HttpBody(content_type="application/pdf", data=part)
            return
        kind, rows = "text/csv; charset=utf-8", [_COLUMNS]
        async for page in self._statements.table(place, account_id):
            yield HttpBody(content_type=kind, data=_csv([*rows, *page]).encode())
            rows = []

    async def GetTradeConfirmation(
        self, request: statements_pb2.GetTradeConfirmationRequest, call: Call
    ) -> statements_pb2.GetTradeConfirmationResponse:
        account, account_id = await self._readable.account(call, request.account_id)
        found = await self._confirmations.get(account, account_id, request.trade_date)
        return statements_pb2.GetTradeConfirmationResponse(confirmation=_confirmation(found))

    async def _place(self, statement_id: str, call: Call) -> tuple[Place, str]:
        """Returns what a statement covers, and its account, for those who may see it."""
        place = statement_rules.place_of(statement_id)
        account_id = await self._readable.covered(call, place.account) if place else None
        if place is None or not account_id:
            raise DomainError("NOT_FOUND", resource="statement", id=statement_id)
        return place, account_id


def _place_of_hold(hold: statements_pb2.BalanceHold) -> tuple[int, str]:
    is_order = hold.reason == statements_pb2.HOLD_REASON_ORDER
    return (int(hold.reference), "") if is_order else (0, hold.reference)


def _hold(hold: Hold, account_id: str) -> statements_pb2.BalanceHold:
    scale = rules.scale_of(hold.asset)
    is_order = hold.order_id != 0
    return statements_pb2.BalanceHold(
        hold_id=f"order/{hold.order_id}" if is_order else f"position/{hold.symbol}",
        account_id=account_id,
        asset=hold.asset,
        amount=rules.decimal(hold.held_minor, scale, scale),
        reason=statements_pb2.HOLD_REASON_ORDER
        if is_order
        else statements_pb2.HOLD_REASON_CONTRACT_DEPOSIT,
        reference=str(hold.order_id) if is_order else hold.symbol,
        status=statements_pb2.HOLD_STATUS_ACTIVE,
        create_time=timestamp(hold.time_ns),
    )


def _statement(one: Statement) -> statements_pb2.AccountStatement:
    message = statements_pb2.AccountStatement(
        statement_id=one.place.id,
        account_id=one.account_id,
        period=statements_pb2.StatementPeriod.ValueType(one.place.period),
        start_date=one.place.start.isoformat(),
        end_date=one.place.end.isoformat(),
        trade_count=one.trade_count,
        open_contract_count=one.open_contract_count,
        sha256=one.sha256,
        create_time=moment(one.created_at) if one.created_at else None,
        is_final=one.created_at is not None,
        line_count=one.line_count,
        through_sequence=one.place.through,
    )
    for asset in one.balances:
        message.balances.add(
            asset=asset.asset, opening=asset.opening, closing=asset.closing, fees=asset.fees
        )
    for line in one.lines:
        message.lines.add(
            post_time=timestamp(line.post_time_ns),
            kind=users_pb2.LedgerEntryKind.Value(f"LEDGER_ENTRY_KIND_{line.kind}"),
            asset=line.asset,
            amount=line.amount,
            balance=line.balance,
            reference=line.reference,
        )
    return message


def _confirmation(one: Confirmation) -> statements_pb2.TradeConfirmation:
    message = statements_pb2.TradeConfirmation(
        account_id=one.account_id,
        trade_date=one.day.isoformat(),
        trades=map(_trade, one.trades),
        trade_count=one.trade_count,
        sha256=one.sha256,
    )
    for currency, total in sorted(one.totals.items()):
        message.totals.add(
            currency=currency,
            bought=rules.cash(total.bought_minor),
            sold=rules.cash(total.sold_minor),
            fees=rules.cash(total.fees_minor),
        )
    return message


def _trade(one: Confirmed) -> statements_pb2.ConfirmedTrade:
    return statements_pb2.ConfirmedTrade(
        trade_id=one.trade_id,
        order_id=one.order_id,
        symbol=one.symbol,
        side=types_pb2.Side.ValueType(one.side),
        price=one.price,
        quantity_lots=one.quantity_lots,
        notional=rules.cash(one.notional_minor),
        fee=rules.cash(one.fee_minor),
        currency=one.currency,
        trade_time=timestamp(one.trade_time_ns),
        is_corrected=one.is_corrected,
    )


def _csv(rows: list[tuple[str, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
