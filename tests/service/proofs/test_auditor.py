"""A20: an auditor takes a day by REST, and checks it offline by the command."""

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf.json_format import MessageToDict
from typer.testing import CliRunner

from e2e.exchange import free_ports
from farmgate.api.admin.v1 import controls_pb2, controls_pb2_grpc
from farmgate.api.trading.v1 import trading_pb2, trading_pb2_grpc
from farmgate.app import wire
from farmgate.app.cli import app
from farmgate.app.edge.options import EdgeOptions
from farmgate.app.edge.process import Edge
from farmgate.app.parts.proofs import CLOSE_DAYS
from farmgate.app.settings import Settings
from farmgate.blockchain.event_store import events_of
from farmgate.ports.clock import FakeClock
from service.admin.operators import with_role
from service.admin.test_controls import signed_in
from service.trading.test_trade_changes import BUY, REASON, SELL, bought, enter, projected
from support import Api, SignedIn, refused, running


@dataclass
class World:
    """The exchange behind its edge, and people."""

    api: Api
    rest: str
    clock: FakeClock

    @property
    def proofs(self) -> Any:
        return trading_pb2_grpc.ProofServiceStub(self.api.channel)

    async def get(self, path: str, who: SignedIn | None = None) -> httpx.Response:
        headers = dict(who.metadata) if who else {}
        async with httpx.AsyncClient() as client:
            return await client.get(f"{self.rest}{path}", headers=headers, timeout=20)

    async def tomorrow(self) -> str:
        """Lets midnight pass and the day be closed; returns the day."""
        now = datetime.now(UTC)
        self.clock.move((now + timedelta(days=1)).timestamp() - self.clock.epoch())
        base, jobs = self.api.application.base, self.api.application.jobs
        await base.database.write(lambda tx: base.jobs.enqueue(tx, CLOSE_DAYS, {}))
        await jobs.settle()
        return now.date().isoformat()


@pytest.fixture
async def world(
    make_settings: Callable[..., Settings], clock: FakeClock, tmp_path: Path
) -> AsyncIterator[World]:
    settings = make_settings(demo=True)
    async with running(wire.build(settings, clock=clock)) as api, projected(settings):
        rest_port, admin_port = free_ports(2)
        upstream = ("127.0.0.1", api.application.grpc_port)
        options = EdgeOptions(
            host="127.0.0.1", rest_port=rest_port, admin_port=admin_port, upstreams=(upstream,)
        )
        edge = Edge(options, tmp_path / "edge")
        await edge.start()
        try:
            yield World(api, f"http://127.0.0.1:{rest_port}", clock)
        finally:
            await edge.stop()


def reason(reply: httpx.Response) -> tuple[int, str]:
    details = reply.json()["details"]
    return reply.status_code, next(one["reason"] for one in details if "reason" in one)


async def verify(*arguments: str | Path) -> tuple[int, str]:
    """Runs the command in this process."""
    result = await asyncio.to_thread(CliRunner().invoke, app, ["verify", *map(str, arguments)])
    return result.exit_code, result.output


async def verify_apart(*arguments: str | Path) -> tuple[int, str]:
    """Runs the command in a process that has nothing of the exchange at hand."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "farmgate", "verify", *map(str, arguments),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def anchored(world: World, date: str) -> Any:
    """Returns the anchor once the chain has it."""
    request = trading_pb2.GetJournalAnchorRequest(date=date)
    async with asyncio.timeout(60):
        while True:
            reply = await world.proofs.GetJournalAnchor(request)
            database = world.api.application.base.database
            events = await database.read(lambda tx: events_of(tx, date))
            if reply.transaction_hash and events:
                return reply, events
            await asyncio.sleep(0.2)


async def traded_day(world: World) -> tuple[trading_pb2.Order, trading_pb2.Order]:
    """Trades, busts and cancels; returns an order with a name of its own, and one that filled."""
    api = world.api
    jan = await signed_in(api, "farmer.jan")
    named = await enter(api, jan, BUY, "3.5000", 4, client_order_id="for aunt Ada")
    filled = await enter(api, jan, BUY, "3.7000", 60, time_in_force=trading_pb2.TIME_IN_FORCE_IOC)
    await enter(api, jan, SELL, "3.5500", 1)
    trade = await bought(api, jan)
    controls: Any = controls_pb2_grpc.MarketControlServiceStub(api.channel)
    for _ in range(2):
        admin = await with_role(api, "ADMIN")
        bust = controls_pb2.BustTradeRequest(trade_id=trade.trade_id, reason=REASON)
        await controls.BustTrade(bust, metadata=admin.metadata)
    await api.trading.CancelOrder(
        trading_pb2.CancelOrderRequest(order_id=named.order_id), metadata=jan.metadata
    )
    return named, filled


async def taken(
    world: World, folder: Path, date: str, orders: Iterable[trading_pb2.Order]
) -> tuple[Path, list[str | Path]]:
    """Takes by REST what an auditor has: a day, its anchor, receipts and proofs of orders."""
    jan = await signed_in(world.api, "farmer.jan")
    reply = await world.get(f"/v1/proofs/journal/{date}")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/octet-stream"
    day, anchor = folder / f"{date}.journal", folder / "anchor.json"
    day.write_bytes(reply.content)
    streamed = world.proofs.DownloadJournal(trading_pb2.DownloadJournalRequest(date=date))
    assert b"".join([piece.data async for piece in streamed]) == reply.content
    anchor.write_bytes((await world.get(f"/v1/proofs/anchors/{date}")).content)
    given: list[str | Path] = ["--anchor", anchor]
    for order in orders:
        reply = await world.get(f"/v1/proofs/orders/{order.order_id}", jan)
        receipt = folder / f"receipt{order.order_id}.json"
        receipt.write_bytes(reply.content)
        sequence = reply.json()["sequence"]
        proof = folder / f"proof{order.order_id}.json"
        proof.write_bytes((await world.get(f"/v1/proofs/inclusion/{sequence}")).content)
        given += ["--receipt", receipt, "--proof", proof]
    return day, given


async def test_an_auditor_checks_a_day(world: World, tmp_path: Path) -> None:
    """A20, PRF-001, PRF-002, PRF-010, PRF-012, PRF-021: by REST and by the command."""
    named, filled = await traded_day(world)
    date = await world.tomorrow()
    anchor, events = await anchored(world, date)
    [noted] = [json.loads(one.arguments) for one in events if one.name == "Anchored"]
    assert noted["root"].removeprefix("0x") == anchor.root
    assert noted["cid"] == anchor.manifest_cid
    assert (anchor.previous_root, anchor.first_sequence) == ("00" * 32, 1)
    day, given = await taken(world, tmp_path, date, (named, filled))
    given = ["--root", f"{date}={anchor.root}", "--public-key", anchor.public_key, *given]

    status, words = await verify_apart(day, *given)
    assert (status, words.splitlines()[-1]) == (0, "All is right."), words
    assert f"root {anchor.root} agrees with the anchor" in words
    status, told = await verify(day, *given, "--json")
    report = json.loads(told)
    assert (status, report["is_good"], report["receipts"], report["proofs"]) == (0, True, 2, 2)
    assert report["days"][0]["fills"] > 1
    assert report["days"][0]["last_sequence"] == anchor.last_sequence

    # Whoever has the salt shows what the covered ID was; the file itself does not.
    receipt_file = tmp_path / f"receipt{named.order_id}.json"
    receipt = json.loads(receipt_file.read_text())
    salt = bytes.fromhex(receipt["salt"])
    covered = hashlib.sha256(salt + b"for aunt Ada").hexdigest()[:32].encode()
    assert covered in day.read_bytes()
    assert b"aunt" not in day.read_bytes()

    # One byte of the day, the receipt or the root, and it fails.
    right = day.read_bytes()
    wrong = bytearray(right)
    wrong[len(wrong) // 2] ^= 4
    day.write_bytes(wrong)
    status, words = await verify(day, *given)
    assert (status, words.splitlines()[-1]) == (3, "Something is wrong."), words
    day.write_bytes(right)
    status, words = await verify(day, "--root", f"{date}={'0' * 64}")
    assert status == 3
    assert "WRONG root" in words
    receipt_file.write_text(json.dumps(receipt | {"order_id": str(named.order_id + 1)}))
    status, words = await verify(day, "--receipt", receipt_file)
    assert (status, "WRONG signature" in words) == (3, True), words
    for mistake in (["--root", "x"], ["--receipt", day], ["--state", day], [tmp_path / "none"]):
        assert (await verify(day, *mistake))[0] == 2, mistake


async def test_receipts_and_proofs(world: World) -> None:
    """PRF-001 to PRF-003, PRF-022: what is not yet, not one's own, or not there."""
    named, _ = await traded_day(world)
    jan, lea = await signed_in(world.api, "farmer.jan"), await signed_in(world.api, "farmer.lea")
    get_receipt = world.proofs.GetReceipt
    request = trading_pb2.GetReceiptRequest(order_id=named.order_id)
    receipt = await get_receipt(request, metadata=jan.metadata)
    assert receipt.order_id == named.order_id
    reply = await world.get(f"/v1/proofs/orders/{named.order_id}", jan)
    told = MessageToDict(receipt, preserving_proto_field_name=True)
    assert reply.json() == told
    path = f"/v1/proofs/orders/{named.order_id}"
    assert (await refused(get_receipt(request))).reason == "UNAUTHENTICATED"
    assert reason(await world.get(path)) == (401, "UNAUTHENTICATED")
    assert (await refused(get_receipt(request, metadata=lea.metadata))).reason == "ORDER_NOT_FOUND"
    assert reason(await world.get(path, lea)) == (404, "ORDER_NOT_FOUND")
    for order_id in (0, 1, 2**63, 2**64 - 1):
        request = trading_pb2.GetReceiptRequest(order_id=order_id)
        refusal = await refused(get_receipt(request, metadata=jan.metadata))
        assert refusal.reason == "ORDER_NOT_FOUND"
        assert reason(await world.get(f"/v1/proofs/orders/{order_id}", jan))[0] == 404

    sequence, today = receipt.sequence, datetime.now(UTC).date().isoformat()
    world.clock.move(datetime.now(UTC).timestamp() - world.clock.epoch())
    inclusion, anchor = world.proofs.GetInclusionProof, world.proofs.GetJournalAnchor
    wanted = trading_pb2.GetInclusionProofRequest(sequence=sequence)
    assert (await refused(inclusion(wanted))).reason == "DAY_NOT_CLOSED"
    assert reason(await world.get(f"/v1/proofs/inclusion/{sequence}")) == (400, "DAY_NOT_CLOSED")
    for number in (0, 10**9, 2**63, 2**64 - 1):
        wanted = trading_pb2.GetInclusionProofRequest(sequence=number)
        assert (await refused(inclusion(wanted))).reason == "NOT_FOUND"
    refusals = [
        (today, "DAY_NOT_CLOSED"), ("2020-01-01", "NOT_FOUND"), ("2099-01-01", "NOT_FOUND"),
        ("2026-02-30", "INVALID_ARGUMENT"), ("yesterday", "INVALID_ARGUMENT"),
        ("", "INVALID_ARGUMENT"), ("2026-11-24\n", "INVALID_ARGUMENT"),
    ]  # fmt: skip
    for date, expected in refusals:
        asked = trading_pb2.GetJournalAnchorRequest(date=date)
        assert (await refused(anchor(asked))).reason == expected, date
        stream = world.proofs.DownloadJournal(trading_pb2.DownloadJournalRequest(date=date))
        assert (await refused(anext(aiter(stream)))).reason == expected, date
    assert reason(await world.get("/v1/proofs/anchors/2020-01-01"))[1] == "NOT_FOUND"
    assert reason(await world.get("/v1/proofs/journal/2020-01-01"))[1] == "NOT_FOUND"
    assert reason(await world.get("/v1/proofs/journal/2026-02-30"))[1] == "INVALID_ARGUMENT"


async def test_files_that_are_gone(world: World) -> None:
    """PRF-014: they are told of as down until the next run has written them again."""
    await traded_day(world)
    date = await world.tomorrow()
    folder = world.api.application.settings.data_dir / "proofs"
    for path in folder.iterdir():
        path.unlink()
    inclusion = world.proofs.GetInclusionProof(trading_pb2.GetInclusionProofRequest(sequence=1))
    assert (await refused(inclusion)).reason == "DEPENDENCY_DOWN"
    stream = world.proofs.DownloadJournal(trading_pb2.DownloadJournalRequest(date=date))
    assert (await refused(anext(aiter(stream)))).reason == "DEPENDENCY_DOWN"
    await world.tomorrow()
    found = await world.proofs.GetInclusionProof(trading_pb2.GetInclusionProofRequest(sequence=1))
    assert (found.date, found.leaf_index) == (date, 0)
