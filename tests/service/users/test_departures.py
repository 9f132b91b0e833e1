"""Leaving the exchange: what is in the way, what is forgotten, what stays; and exports."""

import hashlib
import io
import json
import zipfile
from typing import Any

from eth_account import Account
from sqlalchemy import select, update

from farmgate.api.trading.v1 import trading_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.api.users.v1 import (
    accounts_pb2,
    accounts_pb2_grpc,
    farm_types_pb2,
    farms_pb2,
    farms_pb2_grpc,
    kyc_pb2,
    kyc_pb2_grpc,
    organizations_pb2,
    organizations_pb2_grpc,
    users_pb2,
    wallets_pb2,
    wallets_pb2_grpc,
)
from farmgate.db import audit
from farmgate.db.schema import metadata
from farmgate.jobs.store import State
from farmgate.jobs.tables import jobs
from farmgate.ports.clock import FakeClock
from farmgate.ports.matching import Switch
from farmgate.trading.tables import orders
from farmgate.users.tables import data_exports, kyc_documents, users
from service.users.hall import CORN, FORWARD, Hall
from service.users.test_kyc import PDF
from service.users.test_statements import listed, recomputed, shown
from service.users.test_wallets import signed
from support import SignedIn, refused

SELL, BUY = types_pb2.SIDE_SELL, types_pb2.SIDE_BUY
USD_MINOR, BU_MINOR = 10_000, 1_000
DAY_S = 86_400
NAME, EMAIL = "Zebulon Quartermain", "zebulon@quartermain.example"
PHONE, FARM, STREET = "+15550142999", "Whispering Acre", "7 Nettle Lane"
KEY = Account.from_key("0x" + "33" * 32)


def stub(hall: Hall) -> Any:
    return accounts_pb2_grpc.AccountServiceStub(hall.api.channel)


async def delete(hall: Hall, who: SignedIn) -> Any:
    request = accounts_pb2.DeleteAccountRequest(reason="I retire")
    return await stub(hall).DeleteAccount(request, metadata=who.metadata)


async def export_of(hall: Hall, who: SignedIn) -> Any:
    request = accounts_pb2.GetMyDataExportRequest()
    return (await stub(hall).GetMyDataExport(request, metadata=who.metadata)).export


async def download(hall: Hall, who: SignedIn) -> bytes:
    request = accounts_pb2.DownloadMyDataExportRequest()
    call = stub(hall).DownloadMyDataExport(request, metadata=who.metadata)
    return b"".join([part.data async for part in call])


async def settled(hall: Hall) -> None:
    await hall.api.application.jobs.settle()


async def rows(hall: Hall, query: Any) -> list[Any]:
    database = hall.api.application.base.database
    return await database.read(lambda tx: tx.execute(query).all())


async def everything(hall: Hall) -> str:
    """Returns all that all tables hold, as text."""
    found = [await rows(hall, select(table)) for table in metadata.tables.values()]
    return repr(found)


async def somebody(hall: Hall) -> SignedIn:
    """Returns a farmer whom every module knows something of."""
    user = await hall.api.register(email=EMAIL, display_name=NAME)
    person = SignedIn(user, await hall.api.log_in(EMAIL))
    await hall.set_user(person, kyc_level=1, phone=PHONE)
    channel, sent = hall.api.channel, {"metadata": person.metadata}
    wallets = wallets_pb2_grpc.WalletLinkServiceStub(channel)
    asked = wallets_pb2.CreateWalletChallengeRequest(address=KEY.address)
    found = await wallets.CreateWalletChallenge(asked, **sent)
    linked = wallets_pb2.UpdateMyWalletRequest(
        address=KEY.address, nonce=found.nonce, message=found.message,
        signature=signed(found.message, KEY),
    )  # fmt: skip
    await wallets.UpdateMyWallet(linked, **sent)
    place = farm_types_pb2.GeoPoint(latitude="42.1234", longitude="-93.5678")
    request = farms_pb2.CreateFarmRequest(name=FARM, country="US", area_ha="480", location=place)
    await farms_pb2_grpc.FarmServiceStub(channel).CreateFarm(request, **sent)
    kyc = kyc_pb2_grpc.KycServiceStub(channel)
    for kind in (
        kyc_pb2.KYC_DOCUMENT_KIND_PASSPORT,
        kyc_pb2.KYC_DOCUMENT_KIND_PROOF_OF_ADDRESS,
        kyc_pb2.KYC_DOCUMENT_KIND_LAND_TITLE,
    ):
        document = kyc_pb2.UploadKycDocumentRequest(kind=kind)
        document.content.data = PDF
        await kyc.UploadKycDocument(document, **sent)
    form = kyc_pb2.KycForm(
        legal_name=NAME, date_of_birth="1950-01-01", postal_address=STREET, country="US"
    )
    await kyc.SubmitKyc(kyc_pb2.SubmitKycRequest(target_level=2, form=form), **sent)
    await hall.set_user(person, kyc_level=2)
    await hall.levels.run()
    return person


async def sold_out(hall: Hall, person: SignedIn) -> Any:
    """Trades once, and takes out what it brought; returns the order."""
    buyer = await hall.person()
    await hall.fund(buyer, "USD", 10_000 * USD_MINOR)
    await hall.fund(person, CORN, 200 * BU_MINOR)
    order = (await hall.order(person, SELL, 2)).order
    await hall.order(buyer, BUY, 2)
    total, _ = await hall.balance(person, "USD")
    request = users_pb2.WithdrawRequest(asset="USD", amount=total)
    await hall.api.wallet.Withdraw(request, metadata=person.metadata)
    return order


async def test_who_left_is_forgotten_and_what_was_done_stays(
    books: Hall, real_clock: FakeClock
) -> None:
    """USR-070, USR-071, USR-072: scenario A22."""
    hall = books
    person = await somebody(hall)
    user_id, account_id = person.user.user_id, person.tokens.user.account_id
    order = await sold_out(hall, person)
    statement = await shown(hall, person, (await listed(hall, person))[0].statement_id)
    before = await everything(hall)
    personal = (NAME, EMAIL, PHONE, FARM, "93.5678", KEY.address)
    for text in personal:
        assert text in before, f"{text} is known, so that it can be forgotten."
    reply = await delete(hall, person)
    assert reply.erase_time.ToSeconds() == int(real_clock.epoch()) + 14 * DAY_S
    assert (await refused(hall.api.me(person.tokens.access_token))).reason == "TOKEN_INVALID"
    refusal = await refused(hall.api.log_in(EMAIL))
    assert refusal.reason in {"BAD_CREDENTIALS", "ACCOUNT_SUSPENDED"}
    restricted = hall.matching.risk(await hall.number(person)).switches
    assert restricted == {Switch.RESTRICTED}, "The core takes no orders either."
    await settled(hall)
    assert NAME in await everything(hall), "It is not time yet."
    real_clock.move(14 * DAY_S)
    await settled(hall)
    after = await everything(hall)
    for text in personal:
        assert text not in after, f"{text} is forgotten."
    documents = await rows(hall, select(kyc_documents))
    assert {(one.status, one.wrapped_key, one.content) for one in documents} == {
        ("SHREDDED", None, None)
    }
    row = (await rows(hall, select(users).where(users.c.id == user_id)))[0]
    assert (row.display_name, row.status) == ("Erased user", "CLOSED")
    assert row.deleted_at == real_clock.now()
    # What was done is there, and every hash is good.
    auditor = await hall.with_role("AUDITOR")
    kept = await shown(hall, auditor, statement.statement_id)
    assert kept.account_id == account_id
    assert kept.sha256 == statement.sha256 == recomputed(kept)
    found = await hall.history.read(
        lambda tx: tx.execute(select(orders).where(orders.c.order_id == order.order_id)).all()
    )
    assert len(found) == 1
    log = await rows(hall, select(audit.audit_log).where(audit.audit_log.c.actor == user_id))
    assert log
    erased = await rows(
        hall, select(audit.audit_log).where(audit.audit_log.c.action == "accounts.erase")
    )
    assert [one.resource for one in erased] == [f"user/{user_id}"]
    database = hall.api.application.base.database
    assert await database.read(lambda tx: audit.first_fault(audit.rows(tx))) is None
    # The address is free again.
    again = await hall.api.register(email=EMAIL, display_name="Somebody Else")
    assert again.user_id != user_id


async def test_forgetting_twice_forgets_once(books: Hall, real_clock: FakeClock) -> None:
    """USR-072."""
    hall = books
    person = await hall.person()
    await delete(hall, person)
    real_clock.move(14 * DAY_S)
    await settled(hall)
    once = await everything(hall)
    await hall.api.application.base.database.write(
        lambda tx: tx.execute(
            update(jobs).where(jobs.c.kind == "accounts.erase").values(state=State.QUEUED)
        )
    )
    await settled(hall)
    mark = "accounts.erase"
    assert (await everything(hall)).count(mark) == once.count(mark)


async def test_what_is_in_the_way_of_leaving_has_a_reason(books: Hall) -> None:
    """USR-073: each its own, and nothing is changed."""
    hall = books
    person, other = await hall.person(level=3), await hall.person(level=3)
    await hall.fund(person, "USD", 1_000 * USD_MINOR)
    placed = await hall.order(person, BUY, 1, price="4.4000")
    refusal = await refused(delete(hall, person))
    assert (refusal.reason, refusal.metadata) == ("ACCOUNT_HAS_ORDERS", {"count": "1"})
    cancel = trading_pb2.CancelOrderRequest(order_id=placed.order.order_id)
    await hall.api.trading.CancelOrder(cancel, metadata=person.metadata)
    refusal = await refused(delete(hall, person))
    assert (refusal.reason, refusal.metadata) == ("ACCOUNT_HAS_FUNDS", {"assets": "USD"})
    for one in (person, other):
        await hall.fund(one, "USD", 1_000_000 * USD_MINOR, "more")
    await hall.order(other, SELL, 2, symbol=FORWARD)
    await hall.order(person, BUY, 2, symbol=FORWARD)
    refusal = await refused(delete(hall, person))
    assert refusal.reason == "ACCOUNT_HAS_POSITIONS"
    assert refusal.metadata == {"lots": "2", "symbol": FORWARD}
    free = await hall.person(level=3)
    hall.bound.extend([free.user.user_id] * 3)
    refusal = await refused(delete(hall, free))
    assert (refusal.reason, refusal.metadata) == ("ACCOUNT_HAS_CONTRACTS", {"count": "3"})
    hall.bound.clear()
    organization = organizations_pb2.CreateOrganizationRequest(
        name="Heartland", kind=1, registration_number="R-1", country="US", address="Ames"
    )
    founding = organizations_pb2_grpc.OrganizationServiceStub(hall.api.channel)
    await founding.CreateOrganization(organization, metadata=free.metadata)
    assert (await refused(delete(hall, free))).reason == "ORG_LAST_MANAGER"
    admin = await hall.with_role("ADMIN")
    assert (await refused(delete(hall, admin))).reason == "LAST_ADMIN"
    for one in (person, free, admin):
        assert (await hall.api.me(one.tokens.access_token)).user.status == 2
    request = accounts_pb2.DeleteAccountRequest()
    assert (await refused(stub(hall).DeleteAccount(request))).reason == "UNAUTHENTICATED"
    request.reason = "x" * 501
    refusal = await refused(stub(hall).DeleteAccount(request, metadata=person.metadata))
    assert refusal.reason == "INVALID_ARGUMENT"


async def test_nobody_is_forgotten_who_got_something_meanwhile(
    books: Hall, real_clock: FakeClock
) -> None:
    """USR-074: the job tries again, and is dead in the end; nothing is lost."""
    hall = books
    person = await hall.person()
    await delete(hall, person)
    await hall.fund(person, "USD", USD_MINOR, "late")
    for _ in range(14):
        real_clock.move(14 * DAY_S)
        await settled(hall)
    job = (await rows(hall, select(jobs).where(jobs.c.kind == "accounts.erase")))[0]
    assert (job.state, "ACCOUNT_HAS_FUNDS" in job.last_error) == (State.DEAD, True)
    row = (await rows(hall, select(users).where(users.c.id == person.user.user_id)))[0]
    assert (row.status, row.email, row.deleted_at) == ("CLOSED", person.user.email, None)


async def test_an_export_tells_everything_but_secrets(books: Hall, real_clock: FakeClock) -> None:
    """USR-075."""
    hall = books
    person, other = await somebody(hall), await hall.person()
    assert (await export_of(hall, person)).state == accounts_pb2.EXPORT_STATE_NONE
    assert (await refused(download(hall, person))).reason == "NOT_FOUND"
    await sold_out(hall, person)
    await listed(hall, person)  # Which waits for history.
    request = accounts_pb2.ExportMyDataRequest()
    asked = (await stub(hall).ExportMyData(request, metadata=person.metadata)).export
    assert asked.state == accounts_pb2.EXPORT_STATE_QUEUED
    again = (await stub(hall).ExportMyData(request, metadata=person.metadata)).export
    assert again.export_id == asked.export_id, "One is made at a time."
    assert (await refused(download(hall, person))).reason == "RESOURCE_STATE"
    await settled(hall)
    ready = await export_of(hall, person)
    assert ready.state == accounts_pb2.EXPORT_STATE_READY
    data = await download(hall, person)
    assert (len(data), hashlib.sha256(data).hexdigest()) == (ready.size_bytes, ready.sha256)
    archive = zipfile.ZipFile(io.BytesIO(data))
    names = archive.namelist()
    texts = {name: archive.read(name) for name in names}
    assert json.loads(texts["users.json"])[0]["email"] == EMAIL
    assert json.loads(texts["farms.json"])[0]["name"] == FARM
    forms = [json.loads(texts[name]) for name in names if name.endswith("form.json")]
    assert [form["postal_address"] for form in forms] == [STREET]
    assert sum(texts[name] == PDF for name in names) == 3
    for name in ("orders", "trades", "ledger_entries", "sessions", "audit_log", "withdrawals"):
        assert json.loads(texts[f"{name}.json"]), name
    manifest = json.loads(texts["manifest.json"])
    assert manifest["files"].keys() == set(names) - {"manifest.json"}
    whole = b"".join(texts.values())
    assert b"argon2" not in whole
    assert b"token_hash" not in whole
    assert other.user.email.encode() not in whole
    stored = (await rows(hall, select(data_exports)))[0]
    assert EMAIL.encode() not in stored.content, "It is kept encrypted."
    assert (await refused(download(hall, other))).reason == "NOT_FOUND"
    for call, one in (
        (stub(hall).ExportMyData, accounts_pb2.ExportMyDataRequest()),
        (stub(hall).GetMyDataExport, accounts_pb2.GetMyDataExportRequest()),
    ):
        assert (await refused(call(one))).reason == "UNAUTHENTICATED"


async def test_an_export_is_destroyed_after_a_week(books: Hall, real_clock: FakeClock) -> None:
    """USR-076."""
    hall = books
    person = await hall.person()
    await stub(hall).ExportMyData(accounts_pb2.ExportMyDataRequest(), metadata=person.metadata)
    await settled(hall)
    real_clock.move(7 * DAY_S)
    person = await hall.again(person)
    assert (await export_of(hall, person)).state == accounts_pb2.EXPORT_STATE_EXPIRED
    assert (await refused(download(hall, person))).metadata["state"] == "EXPIRED"
    real_clock.move(DAY_S)
    await settled(hall)
    row = (await rows(hall, select(data_exports)))[0]
    assert (row.state, row.content, row.wrapped_key) == ("EXPIRED", None, None)


async def test_an_export_that_fails_says_so(books: Hall, real_clock: FakeClock) -> None:
    """USR-077: and can be asked for again."""
    hall = books
    person = await somebody(hall)
    database = hall.api.application.base.database
    whole = (await rows(hall, select(kyc_documents)))[0]
    broken = update(kyc_documents).where(kyc_documents.c.id == whole.id)
    await database.write(lambda tx: tx.execute(broken.values(content=b"noise" * 20)))
    request = accounts_pb2.ExportMyDataRequest()
    await stub(hall).ExportMyData(request, metadata=person.metadata)
    for _ in range(3):
        await settled(hall)
        real_clock.move(60)
    assert (await export_of(hall, person)).state == accounts_pb2.EXPORT_STATE_FAILED
    await database.write(lambda tx: tx.execute(broken.values(content=whole.content)))
    await stub(hall).ExportMyData(request, metadata=person.metadata)
    await settled(hall)
    assert (await export_of(hall, person)).state == accounts_pb2.EXPORT_STATE_READY
