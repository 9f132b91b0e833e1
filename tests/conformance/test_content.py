"""What every content store does: CHN-001, CHN-002, CHN-003."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from farmgate.errors import DomainError
from farmgate.ports import unixfs
from farmgate.ports.content import Content, ContentFolder, PinState, cid_of, is_cid
from farmgate.ports.content_ipfs import ContentIpfs
from kubo import Kubo, running

# As `ipfs add --cid-version 1 --raw-leaves` of Kubo names them.
VECTORS = {
    b"": "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
    b"hello world": "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e",
    # The terms of DOMAIN's signing vector.
    (
        b'{"commodity":"CORN","contract_id":"01JD8Z3N6V7Q2X4T5Y6R8W9A0B","delivery":{"end":'
        b'"2026-12-31","incoterm":"DAP","location":"CHI","start":"2026-12-01"},"grade":'
        b'"US-2-YELLOW","price":{"currency":"USD","type":"FIXED","value":"4.6125"},"quantity":'
        b'"5000","rules":"NGFA","schema":"farmgate.forward/1","tolerance_pct":"2","unit":"bu",'
        b'"version":1}'
    ): "bafkreif2cwbvqkfzxzmtcawodci3nefzzksgoiz6mnxyi7coicnytt66ny",
}
ABSENT = cid_of(b"nobody put this")
SIZES = (0, 1, 262_143, 262_144, 262_145, 1 << 20)


@pytest.fixture
def kubo() -> Iterator[Kubo]:
    with running(Kubo()) as node:
        yield node


@pytest.fixture(params=["folder", "ipfs"])
def content(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Content]:
    store: Content
    if request.param == "folder":
        store = ContentFolder(tmp_path / "content")
    else:
        store = ContentIpfs(tmp_path / "content", request.getfixturevalue("kubo").address)
    yield store
    store.close()


def refusal(error: pytest.ExceptionInfo[DomainError]) -> str:
    return error.value.reason


def test_put_names_content_as_kubo_does(content: Content) -> None:
    """CHN-001."""
    for data, cid in VECTORS.items():
        assert cid_of(data) == cid
        assert content.put(data) == cid
        assert content.get(cid) == data


@pytest.mark.parametrize("size", SIZES)
def test_content_of_every_size_comes_back(content: Content, size: int) -> None:
    data = os.urandom(size)
    cid = content.put(data)
    assert cid == cid_of(data)
    assert content.put(data) == cid
    assert content.has(cid)
    assert content.get(cid) == data
    assert content.pin(cid) in {PinState.LOCAL, PinState.BOTH}
    assert content.get(cid) == data


# Of an importer that was compared with the reference importer for 15 sizes up to 60 MiB.
ROOTS = {
    262_145: ("bafybeibgm6ghgeyzykge6qvmjozck747uhmdcjm2k4ocmrxazpw24kefe4", 3),
    # 175 leaves are one more than a node links to: two nodes above them, and the root.
    175 * 262_144: ("bafybeia2nur2c6hx62d4fdtcw2lli6xvlmabqx2n4mwkfl3o2c3be5z2wa", 178),
}


@pytest.mark.parametrize("size", ROOTS)
def test_trees_have_the_shape_of_kubos(size: int) -> None:
    """CHN-001."""
    data = (b"farmgate" * (size // 8 + 1))[:size]
    names: list[str] = []
    root = unixfs.import_file(data, lambda cid, _block: names.append(cid))
    assert (root, len(names)) == ROOTS[size]
    assert names[-1] == root


def test_unknown_content_is_not_found(content: Content) -> None:
    for cid in (ABSENT, "", "bafy", "../../etc/passwd", "Qm" + "a" * 44, ABSENT.upper()):
        assert not content.has(cid)
        assert content.pin_state(cid) is PinState.NONE
        content.unpin(cid)
        for ask in (content.get, content.pin):
            with pytest.raises(DomainError) as error:
                ask(cid)
            assert refusal(error) == "IPFS_NOT_FOUND"


def test_damaged_content_is_never_given(content: Content, tmp_path: Path) -> None:
    """CHN-002: one flipped bit in any block."""
    data = os.urandom(300_000)
    cid = content.put(data)
    blocks = sorted((tmp_path / "content" / "blocks").glob("*/*"))
    assert len(blocks) == 3
    for block in blocks:
        whole = block.read_bytes()
        block.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
        assert not content.has(cid)
        with pytest.raises(DomainError) as error:
            content.get(cid)
        assert refusal(error) in {"CID_MISMATCH", "IPFS_NOT_FOUND"}
        block.write_bytes(whole)
    assert content.get(cid) == data


def test_content_outlives_the_store(tmp_path: Path) -> None:
    cid = ContentFolder(tmp_path).put(b"terms")
    assert ContentFolder(tmp_path).get(cid) == b"terms"
    assert ContentFolder(tmp_path).pin_state(cid) is PinState.LOCAL


def test_swept_is_what_nobody_pinned(tmp_path: Path) -> None:
    store = ContentFolder(tmp_path)
    shared = os.urandom(262_144)
    first, second = store.put(shared + b"1"), store.put(shared + b"2")
    store.unpin(first)
    assert store.sweep() == 0, "Young blocks may belong to a put under way."
    # The root and the short leaf of the first; the long leaf is the second's as well.
    assert store.sweep(age_s=-1) == 2
    assert not store.has(first)
    assert store.get(second) == shared + b"2"


def test_network_gets_content_when_it_is_pinned(kubo: Kubo, tmp_path: Path) -> None:
    store = ContentIpfs(tmp_path, kubo.address)
    cid = store.put(b"terms")
    assert kubo.calls == []
    assert store.pin_state(cid) is PinState.LOCAL
    assert store.pin(cid) is PinState.BOTH
    assert kubo.pins == {cid}
    assert store.pin_state(cid) is PinState.BOTH
    store.unpin(cid)
    assert kubo.pins == set()
    assert store.pin_state(cid) is PinState.NONE
    assert store.probe() == "Kubo 0.38.1"
    store.close()


def test_content_of_the_network_is_checked_and_kept(kubo: Kubo, tmp_path: Path) -> None:
    data = os.urandom(600_000)
    cid = kubo.add(data, {"cid-version": "1", "raw-leaves": "true"})
    store = ContentIpfs(tmp_path, kubo.address)
    assert store.get(cid) == data
    assert store.has(cid)
    kubo.blocks.clear()
    assert store.get(cid) == data
    store.close()


def test_network_that_lies_is_not_believed(kubo: Kubo, tmp_path: Path) -> None:
    """CHN-002: another name, other bytes, somebody else's address."""
    store = ContentIpfs(tmp_path, kubo.address)
    cid = store.put(b"terms")
    kubo.named = ABSENT
    with pytest.raises(DomainError) as error:
        store.pin(cid)
    assert refusal(error) == "CID_MISMATCH"
    assert store.pin_state(cid) is PinState.LOCAL
    kubo.named, kubo.given = None, b"other terms"
    with pytest.raises(DomainError) as error:
        store.get(ABSENT)
    assert refusal(error) == "CID_MISMATCH"
    assert not store.has(ABSENT)
    kubo.given, kubo.location = None, "http://127.0.0.1:1/"
    with pytest.raises(DomainError) as error:
        store.get(ABSENT)
    assert refusal(error) == "IPFS_UNREACHABLE"
    store.close()


@pytest.mark.parametrize("status", [403, 502])
def test_network_that_fails_is_told_as_down(kubo: Kubo, tmp_path: Path, status: int) -> None:
    store = ContentIpfs(tmp_path, kubo.address)
    cid = store.put(b"terms")
    kubo.status = status
    with pytest.raises(DomainError) as error:
        store.pin(cid)
    assert refusal(error) == "IPFS_UNREACHABLE"
    kubo.status = None
    assert store.pin(cid) is PinState.BOTH
    store.close()


def test_network_down_stops_only_what_needs_it(tmp_path: Path) -> None:
    """CHN-003: what is here stays readable, and a pin goes through once the node is back."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    store = ContentIpfs(tmp_path, f"http://127.0.0.1:{port}")
    cid = store.put(b"terms")
    assert store.get(cid) == b"terms"
    assert store.pin_state(cid) is PinState.LOCAL
    asks = (lambda: store.pin(cid), lambda: store.get(ABSENT), store.probe)
    for ask in asks:
        with pytest.raises(DomainError) as error:
            ask()
        assert refusal(error) == "IPFS_UNREACHABLE"
        assert error.value.retry_after_ms
    with running(Kubo(), port) as node:
        assert store.pin(cid) is PinState.BOTH
        assert node.pins == {cid}
    store.close()


def test_identifiers_have_one_spelling() -> None:
    cid = cid_of(b"terms")
    assert is_cid(cid)
    for other in (cid.upper(), cid + "a", cid[:-1], f"b{'a' * 58}", "Qm" + "a" * 44):
        assert not is_cid(other)
