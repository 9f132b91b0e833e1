"""What is set aside, statements of account, and confirmations of trades."""

import csv
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select, update

from farmgate.api.trading.v1 import trading_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.api.users.v1 import statements_pb2, statements_pb2_grpc, users_pb2
from farmgate.db.outbox import outbox
from farmgate.ports.clock import FakeClock
from farmgate.trading.statement_rules import place_of
from farmgate.trading.tables import account_statements, ledger_entries
from service.users.hall import CORN, FORWARD, Hall
from service.users.test_receipts import Store
from support import SignedIn, refused

SELL, BUY = types_pb2.SIDE_SELL, types_pb2.SIDE_BUY
DAILY = statements_pb2.STATEMENT_PERIOD_DAILY
MONTHLY = statements_pb2.STATEMENT_PERIOD_MONTHLY
USD_MINOR, BU_MINOR = 10_000, 1_000
_PDF = statements_pb2.STATEMENT_FORMAT_PDF
DAY_NS = 86_400 * 10**9


def stub(hall: Hall) -> Any:
    return statements_pb2_grpc.StatementServiceStub(hall.api.channel)


async def listed(hall: Hall, who: SignedIn, **given: Any) -> list[Any]:
    request, found = statements_pb2.ListStatementsRequest(**given), []
    while True:
        reply = await stub(hall).ListStatements(request, metadata=who.metadata)
        found += reply.statements
        if not reply.next_page_token:
            return found
        request.page_token = reply.next_page_token


async def shown(hall: Hall, who: SignedIn, statement_id: str) -> Any:
    request = statements_pb2.GetStatementRequest(statement_id=statement_id)
    return (await stub(hall).GetStatement(request, metadata=who.metadata)).statement


async def file_of(hall: Hall, who: SignedIn, statement_id: str, kind: Any) -> bytes:
    request = statements_pb2.DownloadStatementRequest(statement_id=statement_id, format=kind)
    call = stub(hall).DownloadStatement(request, metadata=who.metadata)
    return b"".join([part.data async for part in call])


async def holds(hall: Hall, who: SignedIn, **given: Any) -> list[Any]:
    request = statements_pb2.ListHoldsRequest(**given)
    return list((await stub(hall).ListHolds(request, metadata=who.metadata)).holds)


def told(time: Any) -> str:
    """Returns a time as canonical forms have it."""
    return f"{datetime.fromtimestamp(time.seconds, UTC):%Y-%m-%dT%H:%M:%S}.{time.nanos:09}Z"


def recomputed(statement: Any) -> str:
    """Returns the hash as docs/statements.md tells to take it, from the fields of the reply."""
    period = statements_pb2.StatementPeriod.Name(statement.period)
    form = {
        "schema": "farmgate.statement/1",
        "statement_id": statement.statement_id,
        "account_id": statement.account_id,
        "period": period.removeprefix("STATEMENT_PERIOD_"),
        "start_date": statement.start_date,
        "end_date": statement.end_date,
        "through_sequence": str(statement.through_sequence),
        "line_count": str(statement.line_count),
        "trade_count": str(statement.trade_count),
        "balances": [
            {"asset": b.asset, "opening": b.opening, "closing": b.closing, "fees": b.fees}
            for b in statement.balances
        ],
        "lines": [
            {
                "post_time": told(line.post_time),
                "kind": users_pb2.LedgerEntryKind.Name(line.kind).removeprefix(
                    "LEDGER_ENTRY_KIND_"
                ),
                "asset": line.asset,
                "amount": line.amount,
                "balance": line.balance,
                "reference": line.reference,
            }
            for line in statement.lines
        ],
    }
    text = json.dumps(form, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def adds_up(statement: Any) -> None:
    for one in statement.balances:
        amounts = [Decimal(line.amount) for line in statement.lines if line.asset == one.asset]
        assert Decimal(one.opening) + sum(amounts) == Decimal(one.closing)
        fees = [
            -Decimal(line.amount)
            for line in statement.lines
            if line.asset == one.asset and line.kind == users_pb2.LEDGER_ENTRY_KIND_FEE
        ]
        assert sum(fees) == Decimal(one.fees)


async def test_a_farmer_reads_on_the_statement_what_was_sold(books: Hall) -> None:
    """USR-060, USR-061: scenario A2; holds return to 0 and the hash recomputes."""
    hall = books
    farmer, buyer, inspector = (
        await hall.person(),
        await hall.person(),
        await hall.with_role("INSPECTOR"),
    )
    await hall.fund(buyer, "USD", 100_000 * USD_MINOR)
    await Store(hall).issue(inspector, farmer)
    order = (await hall.order(farmer, SELL, 20)).order
    assert [(one.asset, one.amount) for one in await holds(hall, farmer)] == [(CORN, "2000.000")]
    await hall.order(buyer, BUY, 12)
    amended = trading_pb2.AmendOrderRequest(order_id=order.order_id, quantity_lots=15)
    found = (await hall.api.trading.AmendOrder(amended, metadata=farmer.metadata)).order
    assert (found.remaining_lots, found.quantity_lots) == (3, 15)
    assert [one.amount for one in await holds(hall, farmer)] == ["300.000"]
    gone = trading_pb2.CancelOrderRequest(order_id=order.order_id)
    await hall.api.trading.CancelOrder(gone, metadata=farmer.metadata)
    assert await holds(hall, farmer) == []
    today = (await listed(hall, farmer, period=DAILY))[0]
    statement = await shown(hall, farmer, today.statement_id)
    assert not statement.is_final
    # 12 lots of 100 bu at 4.5 are 5,400; the maker's fee is half a basis point of them.
    assert {(b.asset, b.opening, b.closing, b.fees) for b in statement.balances} == {
        (CORN, "0.000", "3800.000", "0.000"),
        ("USD", "0.0000", "5399.7300", "0.2700"),
    }
    assert statement.trade_count == 1
    adds_up(statement)
    assert statement.sha256 == recomputed(statement)
    text = await file_of(hall, farmer, statement.statement_id, statements_pb2.STATEMENT_FORMAT_JSON)
    assert hashlib.sha256(text).hexdigest() == statement.sha256
    pages = [await file_of(hall, farmer, statement.statement_id, _PDF) for _ in range(2)]
    assert pages[0] == pages[1]
    assert pages[0].startswith(b"%PDF-")
    table = await file_of(hall, farmer, statement.statement_id, 0)
    rows = list(csv.DictReader(io.StringIO(table.decode())))
    assert [row["kind"] for row in rows[:2]] == ["OPENING", "OPENING"]
    assert [row["kind"] for row in rows[-2:]] == ["CLOSING", "CLOSING"]
    assert len(rows) == 4 + statement.line_count


async def test_what_is_set_aside_adds_up_to_what_is_held(books: Hall) -> None:
    """USR-062."""
    hall = books
    trader = await hall.person(level=3)
    await hall.fund(trader, "USD", 1_000_000 * USD_MINOR)
    await hall.fund(trader, CORN, 10_000 * BU_MINOR, "corn")
    for lots in (1, 2, 3):
        await hall.order(trader, BUY, lots, price="4.4000")
    await hall.order(trader, SELL, 4, price="4.6000")
    other = await hall.person(level=3)
    await hall.fund(other, "USD", 1_000_000 * USD_MINOR)
    await hall.order(other, SELL, 2, symbol=FORWARD)
    await hall.order(trader, BUY, 2, symbol=FORWARD)
    found = await holds(hall, trader)
    assert [one.reason for one in found] == [1, 1, 1, 1, 2]
    assert found[-1].reference == FORWARD
    held = {CORN: Decimal(0), "USD": Decimal(0)}
    for one in found:
        held[one.asset] += Decimal(one.amount)
    for asset, total in held.items():
        assert Decimal((await hall.balance(trader, asset))[1]) == total
    assert len(await holds(hall, trader, asset=CORN)) == 1
    assert len(await holds(hall, trader, reason=statements_pb2.HOLD_REASON_CONTRACT_DEPOSIT)) == 1
    assert await holds(hall, trader, reason=statements_pb2.HOLD_REASON_DISPUTE) == []
    request, pages = statements_pb2.ListHoldsRequest(page_size=2), []
    while True:
        reply = await stub(hall).ListHolds(request, metadata=trader.metadata)
        pages += reply.holds
        if not reply.next_page_token:
            break
        request.page_token = reply.next_page_token
    assert pages == found


async def later(hall: Hall, clock: FakeClock, days: int = 1) -> None:
    """Makes all that was posted older, and lets the nightly job run."""
    await hall.matching.caught_up()
    shift = days * DAY_NS
    time = ledger_entries.c.post_time_ns
    await hall.history.write(
        lambda tx: tx.execute(update(ledger_entries).values(post_time_ns=time - shift))
    )
    clock.move(86_400)
    await hall.api.application.jobs.settle()


async def kept(hall: Hall) -> list[Any]:
    return await hall.api.application.base.database.read(
        lambda tx: tx.execute(select(account_statements)).all()
    )


async def test_statements_are_drawn_up_when_the_day_is_over(
    books: Hall, real_clock: FakeClock
) -> None:
    """USR-063, USR-064: each period once, each opening where the one before closed."""
    hall = books
    seller, buyer = await hall.person(), await hall.person()
    await hall.fund(seller, CORN, 1_000 * BU_MINOR)
    await hall.fund(buyer, "USD", 10_000 * USD_MINOR)
    await hall.order(seller, SELL, 2)
    await hall.order(buyer, BUY, 2)
    await hall.matching.caught_up()
    # History has it all once it is told.
    await listed(hall, buyer, page_size=1)
    # The first day was 40 days ago, so its month is over too.
    await hall.history.write(
        lambda tx: tx.execute(
            update(ledger_entries).values(post_time_ns=ledger_entries.c.post_time_ns - 40 * DAY_NS)
        )
    )
    await hall.fund(buyer, "USD", 500 * USD_MINOR, "second day")
    await later(hall, real_clock, 0)
    buyer = await hall.again(buyer)
    final = [one for one in await listed(hall, buyer, page_size=1) if one.is_final]
    days = [one for one in final if one.period == DAILY]
    months = [one for one in final if one.period == MONTHLY]
    assert [one.trade_count for one in days] == [0, 1]
    assert days[0].balances[-1].opening == days[1].balances[-1].closing
    assert months[-1].balances == days[1].balances
    for one in final:
        statement = await shown(hall, buyer, one.statement_id)
        assert one.sha256 == statement.sha256 == recomputed(statement)
        assert statement.create_time.ToDatetime(UTC) == real_clock.now()
        adds_up(statement)
    rows = await kept(hall)
    await later(hall, real_clock, 0)
    assert await kept(hall) == rows, "Done again it does nothing."
    told = await hall.api.application.base.database.read(
        lambda tx: tx.execute(select(outbox).where(outbox.c.type == "trade.confirmation")).all()
    )
    assert {one.user_id for one in told} == {seller.user.user_id, buyer.user.user_id}
    assert len(told) == 2


async def test_a_changed_movement_does_not_go_unseen(books: Hall, real_clock: FakeClock) -> None:
    """USR-065: history that no longer gives the hash is no statement."""
    hall = books
    person = await hall.person()
    await hall.fund(person, "USD", 77 * USD_MINOR)
    await later(hall, real_clock)
    person = await hall.again(person)
    one = next(one for one in await listed(hall, person, period=DAILY) if one.is_final)
    await shown(hall, person, one.statement_id)
    entry = ledger_entries.c
    more = update(ledger_entries).values(total_change=entry.total_change + 1)
    await hall.history.write(
        lambda tx: tx.execute(more.where(entry.sequence == one.through_sequence))
    )
    refusal = await refused(shown(hall, person, one.statement_id))
    assert refusal.reason == "INTERNAL"


async def test_statements_are_their_owners(books: Hall) -> None:
    """USR-066: others find none; auditors see all."""
    hall = books
    owner, stranger, auditor = (
        await hall.person(),
        await hall.person(),
        await hall.with_role("AUDITOR"),
    )
    await hall.fund(owner, "USD", 5 * USD_MINOR)
    account_id = owner.tokens.user.account_id
    mine = (await listed(hall, owner, period=DAILY))[0]
    seen = await shown(hall, auditor, mine.statement_id)
    assert seen == await shown(hall, owner, mine.statement_id)
    assert await listed(hall, auditor, account_id=account_id, period=DAILY) == [mine]
    place = place_of(mine.statement_id)
    assert place is not None
    wrong = [mine.statement_id[:-1] + "0", "0" * 26, "7" + "Z" * 25, "01JD8Z3N6V7Q2X4T5Y6R8W9A0B"]
    for statement_id in (mine.statement_id, *wrong):
        who = stranger if statement_id == mine.statement_id else owner
        assert (await refused(shown(hall, who, statement_id))).reason == "NOT_FOUND"
        refusal = await refused(file_of(hall, who, statement_id, 2))
        assert refusal.reason == "NOT_FOUND"
    for call, request in (
        (stub(hall).ListHolds, statements_pb2.ListHoldsRequest(account_id=account_id)),
        (stub(hall).ListStatements, statements_pb2.ListStatementsRequest(account_id=account_id)),
        (
            stub(hall).GetTradeConfirmation,
            statements_pb2.GetTradeConfirmationRequest(
                account_id=account_id, trade_date="2026-01-01"
            ),
        ),
    ):
        refusal = await refused(call(request, metadata=stranger.metadata))
        assert refusal.reason == "ACCOUNT_UNKNOWN"
        assert (await refused(call(request))).reason == "UNAUTHENTICATED"
    for statement_id in ("x", ""):
        assert (await refused(shown(hall, owner, statement_id))).reason == "INVALID_ARGUMENT"
    refusal = await refused(holds(hall, owner, asset="GOLD"))
    assert refusal.reason == "NOT_FOUND"
    refusal = await refused(holds(hall, owner, page_token="x"))
    assert refusal.reason == "PAGE_TOKEN_INVALID"


async def test_a_day_of_trades_is_confirmed(books: Hall, real_clock: FakeClock) -> None:
    """USR-067."""
    hall = books
    seller, buyer = await hall.person(), await hall.person()
    await hall.fund(seller, CORN, 1_000 * BU_MINOR)
    await hall.fund(buyer, "USD", 10_000 * USD_MINOR)
    for lots in (2, 3):
        await hall.order(seller, SELL, lots)
        await hall.order(buyer, BUY, lots)

    async def confirmed(who: SignedIn, day: str) -> Any:
        request = statements_pb2.GetTradeConfirmationRequest(trade_date=day)
        reply = await stub(hall).GetTradeConfirmation(request, metadata=who.metadata)
        return reply.confirmation

    today = real_clock.now().date()
    found = await confirmed(buyer, today.isoformat())
    # 5 lots of 100 bu at 4.5 are 2,250; 2.5 basis points of 900 and of 1,350 are the fees.
    total = found.totals[0]
    assert (total.currency, total.bought, total.sold) == ("USD", "2250.0000", "0.0000")
    assert (total.fees, found.trade_count) == ("0.5625", 2)
    assert [one.quantity_lots for one in found.trades] == [2, 3]
    assert {one.side for one in found.trades} == {BUY}
    sold = await confirmed(seller, today.isoformat())
    assert (sold.totals[0].sold, sold.totals[0].fees) == ("2250.0000", "0.1125")
    assert sold.sha256 != found.sha256
    form = {
        "account_id": found.account_id,
        "schema": "farmgate.confirmation/1",
        "trade_date": today.isoformat(),
        "trades": [
            {
                "trade_id": str(one.trade_id), "order_id": str(one.order_id),
                "symbol": one.symbol, "side": "BUY", "price": one.price,
                "quantity_lots": str(one.quantity_lots), "notional": one.notional,
                "fee": one.fee, "currency": one.currency,
                "trade_time": told(one.trade_time),
            }
            for one in found.trades
        ],
    }  # fmt: skip
    text = json.dumps(form, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == found.sha256
    empty = await confirmed(buyer, (today - timedelta(days=1)).isoformat())
    assert (empty.trade_count, len(empty.totals)) == (0, 0)
    for day in ((today + timedelta(days=2)).isoformat(), "2026-02-30", "1969-01-01"):
        assert (await refused(confirmed(buyer, day))).reason == "INVALID_ARGUMENT"
