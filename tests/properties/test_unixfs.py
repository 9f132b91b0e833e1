"""Content of any shape, and bytes that are none: CHN-001, CHN-002."""

import base64
import contextlib
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farmgate.ports import unixfs
from farmgate.ports.unixfs import ContentFault


@settings(max_examples=60, deadline=None)
@given(size=st.integers(0, 1_200_000), seed=st.binary(min_size=1, max_size=9))
def test_any_content_comes_back_whole(size: int, seed: bytes) -> None:
    data = (seed * (size // len(seed) + 1))[:size]
    blocks: dict[str, bytes] = {}
    cid = unixfs.import_file(data, blocks.__setitem__)
    assert unixfs.export_file(cid, blocks.__getitem__, bytes_max=size) == data
    assert unixfs.cid_of(data) == cid
    assert len(cid) == 59
    if size:
        with pytest.raises(ContentFault):
            unixfs.export_file(cid, blocks.__getitem__, bytes_max=size - 1)


@settings(max_examples=300, deadline=None)
@given(block=st.binary(max_size=200))
def test_nodes_made_of_any_bytes_are_faults_and_nothing_else(block: bytes) -> None:
    binary = b"\x01\x70\x12\x20" + hashlib.sha256(block).digest()
    cid = "b" + base64.b32encode(binary).decode().lower().rstrip("=")
    blocks = {cid: block}
    with contextlib.suppress(ContentFault, KeyError):
        unixfs.export_file(cid, blocks.__getitem__, bytes_max=1 << 20)


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=70))
def test_any_text_is_an_identifier_or_not(text: str) -> None:
    if unixfs.is_cid(text):
        assert len(text) == 59
