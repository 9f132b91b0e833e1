"""Content over the API: CHN-050 to CHN-056."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from google.api.httpbody_pb2 import HttpBody

from chain_api import ChainApi, chain_api
from farmgate.api.blockchain.v1 import content_pb2
from farmgate.api.health.v1 import health_pb2
from farmgate.app.settings import Settings
from farmgate.blockchain import content_store
from farmgate.blockchain.facade import Library
from farmgate.blockchain.library import Visibility
from farmgate.db import audit
from farmgate.ports.content import cid_of
from kubo import Kubo, running
from support import SignedIn, refused

PDF = b"%PDF-1.7 certificate"
PUBLIC = content_pb2.CONTENT_VISIBILITY_PUBLIC
PARTIES = content_pb2.CONTENT_VISIBILITY_PARTIES
PRIVATE = content_pb2.CONTENT_VISIBILITY_PRIVATE
MIB = 1024 * 1024


async def put(chain: ChainApi, person: SignedIn, data: bytes, **given: Any) -> Any:
    kind = given.pop("media_type", "application/pdf")
    request = content_pb2.UploadToIpfsRequest(
        content=HttpBody(content_type=kind, data=data), **given
    )
    return await chain.content.UploadToIpfs(request, metadata=person.metadata)


async def get(chain: ChainApi, person: SignedIn, cid: str) -> tuple[str, bytes]:
    request = content_pb2.GetFromIpfsRequest(cid=cid)
    parts = [
        (part.content_type, part.data)
        async for part in chain.content.GetFromIpfs(request, metadata=person.metadata)
    ]
    assert len({kind for kind, _ in parts}) == 1
    return parts[0][0], b"".join(data for _, data in parts)


async def test_content_comes_back_to_whom_it_belongs(chain_on_any: ChainApi) -> None:
    """CHN-050."""
    chain = chain_on_any
    owner, stranger = await chain.person(name="owner"), await chain.person(name="stranger")
    answer = await put(chain, owner, PDF, expected_cid=cid_of(PDF))
    found = answer.object
    assert (found.cid, found.size_bytes) == (cid_of(PDF), len(PDF))
    assert (found.visibility, found.is_encrypted) == (PRIVATE, True)
    assert found.pin_state == content_pb2.PIN_STATE_LOCAL
    assert answer.quota_left_bytes == 500 * MIB - len(PDF)
    assert await get(chain, owner, found.cid) == ("application/pdf", PDF)
    refusal = await refused(get(chain, stranger, found.cid))
    assert refusal.reason == "IPFS_NOT_FOUND", "It does not exist for others."
    for role in ("AUDITOR", "ADMIN"):
        assert (await get(chain, await chain.person(role), found.cid))[1] == PDF
    again = await put(chain, owner, PDF)
    assert (again.object, again.quota_left_bytes) == (found, answer.quota_left_bytes)
    rows = await chain.database.read(lambda tx: list(audit.rows(tx)))
    assert rows[-1].entry.resource == f"content/{found.cid}"


async def test_public_content_is_everybodys(chain: ChainApi) -> None:
    owner, stranger = await chain.person(name="owner"), await chain.person(name="stranger")
    data = b"x" * (5 * MIB)
    answer = await put(chain, owner, data, visibility=PUBLIC, media_type="text/plain")
    assert not answer.object.is_encrypted
    assert await get(chain, stranger, answer.object.cid) == ("text/plain", data)


async def test_content_of_parties(chain: ChainApi) -> None:
    """CHN-051: those of the contract, who are known of its operations or of who is asked."""
    seller, buyer = await chain.person(name="seller"), await chain.person(name="buyer")
    stranger = await chain.person(name="stranger")
    contract_id = (await chain.register(seller.user.user_id)).reference
    chain.opened.library.know_parties(
        lambda _tx, contract, user: contract == contract_id and user == buyer.user.user_id
    )
    answer = await put(chain, seller, PDF, visibility=PARTIES, contract_id=contract_id)
    assert answer.object.is_encrypted
    assert (await get(chain, buyer, answer.object.cid))[1] == PDF
    assert (await refused(get(chain, stranger, answer.object.cid))).reason == "IPFS_NOT_FOUND"
    refusal = await refused(put(chain, stranger, PDF, visibility=PARTIES, contract_id=contract_id))
    assert refusal.reason == "NOT_A_PARTY"
    refusal = await refused(put(chain, seller, PDF, visibility=PARTIES))
    assert (refusal.reason, refusal.metadata["field"]) == ("INVALID_ARGUMENT", "contract_id")


async def test_what_is_not_public_is_noise_on_the_disk(chain: ChainApi) -> None:
    """CHN-052: neither its bytes nor its key are there in the clear."""
    owner = await chain.person()
    secret = b"the price is four sixty-one" * 40
    await put(chain, owner, secret, media_type="text/plain")
    folder = chain.api.application.settings.data_dir
    for path in (folder / "content").rglob("*"):
        assert path.is_dir() or secret[:27] not in path.read_bytes()
    rows = await chain.database.read(lambda tx: content_store.objects(tx, cid_of(secret)))
    assert rows[0].kept_cid != rows[0].cid
    # Another installation's key opens nothing.
    base = chain.api.application.base
    other = Library(
        chain.opened.content, base.clock, base.ids, key=b"another key", has_network=False
    )
    stored = await chain.database.read(
        lambda tx: chain.opened.library.readable(
            tx, cid_of(secret), owner.user.user_id, reads_all=False
        )
    )
    with pytest.raises(Exception, match="CID_MISMATCH"):
        other.open(stored)
    assert chain.opened.library.open(stored) == secret


REFUSED: tuple[tuple[bytes, dict[str, Any], str], ...] = (
    (b"", {}, "INVALID_ARGUMENT"),
    (b"\x7fELF\xff\xfe", {}, "DOCUMENT_TYPE_UNSUPPORTED"),
    (b"text with\0zero", {"media_type": "text/plain"}, "DOCUMENT_TYPE_UNSUPPORTED"),
    (PDF, {"expected_cid": cid_of(b"other")}, "CID_MISMATCH"),
    (PDF, {"expected_cid": "../x"}, "INVALID_ARGUMENT"),
    (b"x" * (10 * MIB + 1), {}, "PAYLOAD_TOO_LARGE"),
    (b"x" * (11 * MIB), {}, "PAYLOAD_TOO_LARGE"),
    (PDF, {"visibility": 9}, "INVALID_ARGUMENT"),
)


async def test_what_is_not_taken(chain: ChainApi) -> None:
    """CHN-053."""
    person = await chain.person()
    for data, given, reason in REFUSED:
        refusal = await refused(put(chain, person, data, **given))
        assert refusal.reason == reason, (data[:16], given)


TYPES = (
    (b"<script>alert(1)</script>", "text/html", "text/plain"),
    (b"<svg/>", "image/svg+xml", "text/plain"),
    (b'{"a":1}', "application/json; charset=utf-8", "application/json"),
    (b'{"a":', "application/json", "text/plain"),
    (b"a,b\n", "text/csv", "text/csv"),
    (b"\x89PNG\r\n\x1a\n\x00\xff", "text/html", "image/png"),
    (b"\xff\xd8\xff\xe0\x00", "", "image/jpeg"),
)


async def test_type_is_what_the_bytes_say(chain: ChainApi) -> None:
    """CHN-053: nothing that a browser would run."""
    person = await chain.person()
    for data, stated, kind in TYPES:
        answer = await put(chain, person, data, media_type=stated)
        assert answer.object.media_type == kind
        assert await get(chain, person, answer.object.cid) == (kind, data)


async def test_quota(make_settings: Callable[..., Settings]) -> None:
    """CHN-054."""
    async with chain_api(make_settings(ipfs_user_quota_mib=1)) as chain:
        person, other = await chain.person(name="one"), await chain.person(name="other")
        first = await put(chain, person, b"a" * 700_000)
        assert first.quota_left_bytes == MIB - 700_000
        refusal = await refused(put(chain, person, b"b" * 700_000))
        assert (refusal.reason, refusal.metadata["quota"]) == ("IPFS_QUOTA", "1 MiB")
        await put(chain, person, b"a" * 700_000)
        await put(chain, other, b"b" * 700_000)


async def test_unknown_content_and_callers(chain: ChainApi) -> None:
    person = await chain.person()
    for cid in (cid_of(b"nobody has it"), "Qm" + "a" * 44):
        assert (await refused(get(chain, person, cid))).reason == "IPFS_NOT_FOUND"
    for cid in ("", "bafy", "/ipfs/" + cid_of(PDF), cid_of(PDF) + "/../x"):
        refusal = await refused(get(chain, person, cid))
        assert refusal.reason in {"INVALID_ARGUMENT", "FIELD_REQUIRED"}
    nobody = SignedIn(person.user, type("Tokens", (), {"access_token": "no"})())
    assert (await refused(put(chain, nobody, PDF))).reason == "TOKEN_INVALID"
    assert (await refused(get(chain, nobody, cid_of(PDF)))).reason == "TOKEN_INVALID"


async def pinned(chain: ChainApi, data: bytes, state: str) -> Any:
    """Waits until the row of content says where it is kept."""
    async with asyncio.timeout(20):
        while True:
            rows = await chain.database.read(lambda tx: content_store.objects(tx, cid_of(data)))
            if rows[0].pin_state == state and not rows[0].is_pin_due:
                return rows[0]
            await asyncio.sleep(0.05)


async def test_network_holds_what_is_public_and_noise_of_parties(
    make_settings: Callable[..., Settings],
) -> None:
    """CHN-055: private content never leaves the exchange, not even encrypted."""
    with running(Kubo()) as kubo:
        async with chain_api(make_settings(ipfs_url=kubo.address)) as chain:
            person = await chain.person()
            contract_id = (await chain.register(person.user.user_id)).reference
            await put(chain, person, b"private", media_type="text/plain")
            await put(chain, person, b"public", visibility=PUBLIC, media_type="text/plain")
            await put(chain, person, PDF, visibility=PARTIES, contract_id=contract_id)
            public = await pinned(chain, b"public", "BOTH")
            parties = await pinned(chain, PDF, "BOTH")
            assert kubo.pins == {cid_of(b"public"), parties.kept_cid}
            assert public.kept_cid == cid_of(b"public")
            assert not [one for one in kubo.blocks.values() if PDF in one]
            rows = await chain.database.read(
                lambda tx: content_store.objects(tx, cid_of(b"private"))
            )
            assert (rows[0].pin_state, rows[0].visibility) == ("LOCAL", Visibility.PRIVATE)


async def test_network_down_stops_nobody(make_settings: Callable[..., Settings]) -> None:
    """CHN-056: uploads and downloads go on; the pin follows when the node is back."""
    with running(Kubo()) as kubo:
        port = int(kubo.address.rpartition(":")[2])
    async with chain_api(make_settings(ipfs_url=f"http://127.0.0.1:{port}")) as chain:
        person = await chain.person()
        answer = await put(chain, person, PDF, visibility=PUBLIC)
        assert answer.object.pin_state == content_pb2.PIN_STATE_LOCAL
        assert (await get(chain, person, answer.object.cid))[1] == PDF
        health = await chain.api.health.Healthz(health_pb2.HealthzRequest())
        found = {one.name: one.detail for one in health.dependencies}
        assert found["content"] == "IPFS_UNREACHABLE"
        await chain.api.health.Readyz(health_pb2.ReadyzRequest())
        with running(Kubo(), port) as node:
            # The next upload makes the pins go on at once.
            await put(chain, person, b"more", visibility=PUBLIC, media_type="text/plain")
            await pinned(chain, PDF, "BOTH")
            assert cid_of(PDF) in node.pins
