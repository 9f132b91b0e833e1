"""Reports: made by a job, hashed, in four formats; what they tell is counted by hand here."""

import csv
import hashlib
import io
import json
import re
import zipfile
import zlib
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from farmgate.api.admin.v1 import reports_pb2, reports_pb2_grpc
from farmgate.api.types.v1 import types_pb2
from farmgate.db.audit import audit_log
from farmgate.ports.clock import FakeClock
from farmgate.users.tables import kyc_cases
from service.trading.market import SYMBOL
from service.users.hall import CORN, FORWARD, Hall
from support import SignedIn, refused

SELL, BUY = types_pb2.SIDE_SELL, types_pb2.SIDE_BUY
USD_MINOR, BU_MINOR = 10_000, 1_000
DAY_S = 86_400
KIND, FORMAT = reports_pb2.ReportKind, reports_pb2.ReportFormat


class Desk:
    """An auditor and the stub."""

    def __init__(self, hall: Hall, who: SignedIn, clock: FakeClock) -> None:
        self.hall = hall
        self.who = who
        self.clock = clock
        self.stub: Any = reports_pb2_grpc.ReportServiceStub(hall.api.channel)

    async def ask(self, kind: str, form: str = "CSV", **given: Any) -> Any:
        key = given.pop("key", "")
        day = self.clock.now().date().isoformat()
        values = {"from_date": day, "to_date": day, **given}
        request = reports_pb2.CreateReportRequest(
            kind=KIND.Value(f"REPORT_KIND_{kind}"), format=FORMAT.Value(f"REPORT_FORMAT_{form}"),
            **values,
        )  # fmt: skip
        metadata = (*self.who.metadata, ("idempotency-key", key)) if key else self.who.metadata
        return (await self.stub.CreateReport(request, metadata=metadata)).report

    async def get(self, report_id: str) -> Any:
        request = reports_pb2.GetReportRequest(report_id=report_id)
        return (await self.stub.GetReport(request, metadata=self.who.metadata)).report

    async def download(self, report_id: str) -> tuple[str, bytes]:
        request = reports_pb2.DownloadReportRequest(report_id=report_id)
        call = self.stub.DownloadReport(request, metadata=self.who.metadata)
        parts = [part async for part in call]
        return parts[0].content_type, b"".join(part.data for part in parts)

    async def settle(self) -> None:
        await self.hall.api.application.jobs.settle()

    async def made(self, kind: str, form: str = "CSV", **given: Any) -> bytes:
        """Returns the file of a new report, whose hash is the one that is told."""
        asked = await self.ask(kind, form, **given)
        assert asked.state == reports_pb2.REPORT_STATE_QUEUED
        await self.settle()
        ready = await self.get(asked.report_id)
        assert ready.state == reports_pb2.REPORT_STATE_READY, ready.failure
        _, data = await self.download(asked.report_id)
        assert hashlib.sha256(data).hexdigest() == ready.sha256
        assert len(data) == ready.size_bytes
        return data

    async def rows(self, kind: str, **given: Any) -> list[dict[str, str]]:
        text = (await self.made(kind, **given)).decode()
        return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
async def desk(books: Hall, real_clock: FakeClock) -> Desk:
    return Desk(books, await books.with_role("AUDITOR"), real_clock)


async def traded(hall: Hall) -> tuple[SignedIn, SignedIn, SignedIn]:
    """Makes two trades of corn and one of a forward; returns seller and both buyers."""
    people = [await hall.person(level=3) for _ in range(3)]
    for person in people:
        await hall.fund(person, "USD", 1_000_000 * USD_MINOR)
        await hall.fund(person, CORN, 10_000 * BU_MINOR, "corn")
    seller, first, second = people
    await hall.order(seller, SELL, 100)
    await hall.order(first, BUY, 95)
    await hall.order(second, BUY, 5)
    await hall.order(first, SELL, 3, symbol=FORWARD)
    await hall.order(second, BUY, 3, symbol=FORWARD)
    return seller, first, second


async def test_volumes_and_fees_are_added_up(desk: Desk) -> None:
    """ADM-060, ADM-061."""
    await traded(desk.hall)
    day = desk.clock.now().date().isoformat()
    # 100 lots of 100 bu at 4.5 are 45,000; 3 of the forward are 1,350.
    volumes = await desk.rows("VOLUMES")
    assert [tuple(row.values()) for row in volumes] == [
        (day, SYMBOL, "2", "100", "45000.0000", "USD"),
        (day, FORWARD, "1", "3", "1350.0000", "USD"),
        ("total", "", "3", "", "46350.0000", "USD"),
    ]
    # Half a basis point of the makers, two and a half of the takers.
    fees = await desk.rows("FEES", symbol=SYMBOL)
    assert [tuple(row.values()) for row in fees] == [
        (day, SYMBOL, "2", "2.2500", "11.2500", "13.5000", "USD"),
        ("total", "", "2", "2.2500", "11.2500", "13.5000", "USD"),
    ]
    before = (desk.clock.now() - timedelta(days=2)).date().isoformat()
    assert await desk.rows("VOLUMES", from_date=before, to_date=before) == []


async def test_positions_and_large_traders_are_found(desk: Desk) -> None:
    """ADM-061: a share is of all sides of a market's trades."""
    seller, first, second = await traded(desk.hall)
    found = await desk.rows("POSITIONS")
    assert {(row["symbol"], row["user_id"], row["net_lots"]) for row in found} == {
        (FORWARD, first.user.user_id, "-3"),
        (FORWARD, second.user.user_id, "3"),
    }
    large = await desk.rows("LARGE_TRADERS", symbol=SYMBOL)
    assert [(row["user_id"], row["share_pct"]) for row in large] == [
        (seller.user.user_id, "50.00"),
        (first.user.user_id, "47.50"),
    ]
    assert large[0]["name"] == "Amara Okafor"


async def add_cases(hall: Hall, count: int, at: Any) -> None:
    person = await hall.person()
    base = hall.api.application.base
    rows = [
        {
            "id": base.ids.ulid(), "user_id": person.user.user_id, "target_level": 2,
            "status": "REJECTED", "form": None, "attempts": 1, "risk_score": 7, "assigned_to": "",
            "first_approver": "", "decision_reason": "", "submitted_at": at,
            "decided_at": at + timedelta(hours=3), "expires_at": None, "created_at": at,
            "version": 1,
        }
        for _ in range(count)
    ]  # fmt: skip
    await base.database.write(lambda tx: tx.execute(insert(kyc_cases), rows))


async def test_cases_of_a_time_are_told_without_what_was_handed_in(desk: Desk) -> None:
    """ADM-061."""
    at = desk.clock.now().replace(hour=3)
    await add_cases(desk.hall, 2, at)
    await add_cases(desk.hall, 1, at - timedelta(days=40))
    found = await desk.rows("KYC")
    assert [(row["level"], row["status"], row["hours"]) for row in found] == [
        ("2", "REJECTED", "3")
    ] * 2


async def test_each_format_tells_the_same(desk: Desk) -> None:
    """ADM-062."""
    await traded(desk.hall)
    rows = await desk.rows("VOLUMES")
    told = json.loads(await desk.made("VOLUMES", "JSON"))
    assert (told["title"], told["rows"]) == ("Volumes", rows)
    book = zipfile.ZipFile(io.BytesIO(await desk.made("VOLUMES", "XLSX")))
    strings = book.read("xl/sharedStrings.xml").decode()
    pages = await desk.made("VOLUMES", "PDF")
    assert pages.startswith(b"%PDF-")
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pages, re.DOTALL)
    shown = b"".join(zlib.decompress(one) for one in streams if one[:1] == b"x").decode("latin-1")
    for row in rows:
        for cell in filter(None, row.values()):
            assert cell in strings
            assert cell in shown


async def test_more_rows_than_pages_are_good_for_fail(desk: Desk) -> None:
    """ADM-063: and say why."""
    await add_cases(desk.hall, 2_001, desk.clock.now().replace(hour=3))
    asked = await desk.ask("KYC", "PDF")
    await desk.settle()
    failed = await desk.get(asked.report_id)
    assert failed.state == reports_pb2.REPORT_STATE_FAILED
    assert "2001 rows" in failed.failure
    refusal = await refused(desk.download(asked.report_id))
    assert (refusal.reason, refusal.metadata["state"]) == ("RESOURCE_STATE", "FAILED")


async def test_reports_are_listed_repeated_and_recorded(desk: Desk) -> None:
    """ADM-064."""
    first = await desk.ask("KYC", key="once")
    assert (await desk.ask("KYC", key="once")).report_id == first.report_id
    others = [(await desk.ask("VOLUMES")).report_id for _ in range(3)]
    request, found = reports_pb2.ListReportsRequest(page_size=2), []
    while True:
        reply = await desk.stub.ListReports(request, metadata=desk.who.metadata)
        found += [one.report_id for one in reply.reports]
        if not reply.next_page_token:
            break
        request.page_token = reply.next_page_token
    assert found == [*reversed(others), first.report_id]
    only = reports_pb2.ListReportsRequest(kind=reports_pb2.REPORT_KIND_KYC)
    reply = await desk.stub.ListReports(only, metadata=desk.who.metadata)
    assert [one.report_id for one in reply.reports] == [first.report_id]
    log = await desk.hall.api.application.base.database.read(
        lambda tx: tx.execute(
            select(audit_log).where(audit_log.c.resource == f"report/{first.report_id}")
        ).all()
    )
    assert [(row.actor, row.role) for row in log] == [(desk.who.user.user_id, "AUDITOR")]


async def test_a_report_is_gone_after_a_month(desk: Desk) -> None:
    """ADM-065."""
    asked = await desk.ask("KYC")
    refusal = await refused(desk.download(asked.report_id))
    assert (refusal.reason, refusal.metadata["state"]) == ("RESOURCE_STATE", "QUEUED")
    await desk.settle()
    desk.clock.move(30 * DAY_S)
    desk.who = await desk.hall.again(desk.who)
    assert (await desk.get(asked.report_id)).state == reports_pb2.REPORT_STATE_EXPIRED
    assert (await refused(desk.download(asked.report_id))).reason == "REPORT_EXPIRED"
    desk.clock.move(DAY_S)
    await desk.settle()
    desk.who = await desk.hall.again(desk.who)
    assert (await desk.get(asked.report_id)).state == reports_pb2.REPORT_STATE_EXPIRED


async def test_what_makes_no_report_is_refused(desk: Desk) -> None:
    """ADM-066."""
    later = (desk.clock.now() + timedelta(days=2)).date().isoformat()
    for given in (
        {"from_date": "2026-02-30"},
        {"from_date": "2026-03-02", "to_date": "2026-03-01"},
        {"from_date": "2024-01-01", "to_date": "2025-06-01"},
        {"from_date": later, "to_date": later},
        {"from_date": "1969-12-31", "to_date": "1969-12-31"},
        {"from_date": "x"},
    ):
        assert (await refused(desk.ask("VOLUMES", **given))).reason == "INVALID_ARGUMENT", given
    assert (await refused(desk.ask("UNSPECIFIED"))).reason == "INVALID_ARGUMENT"
    refusal = await refused(desk.ask("VOLUMES", symbol="GOLD"))
    assert refusal.reason == "INSTRUMENT_UNKNOWN"
    nothing = "01JD8Z3N6V7Q2X4T5Y6R8W9A0B"
    assert (await refused(desk.get(nothing))).reason == "NOT_FOUND"
    assert (await refused(desk.download(nothing))).reason == "NOT_FOUND"
    assert (await refused(desk.get("x"))).reason == "INVALID_ARGUMENT"
    farmer = await desk.hall.person()
    for call, request in (
        (desk.stub.CreateReport, reports_pb2.CreateReportRequest()),
        (desk.stub.ListReports, reports_pb2.ListReportsRequest()),
        (desk.stub.GetReport, reports_pb2.GetReportRequest()),
    ):
        assert (await refused(call(request))).reason == "UNAUTHENTICATED"
        refusal = await refused(call(request, metadata=farmer.metadata))
        assert refusal.reason == "PERMISSION_DENIED"
    desk.who = farmer
    assert (await refused(desk.download(nothing))).reason == "PERMISSION_DENIED"
