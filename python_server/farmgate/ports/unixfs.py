"""Content identifiers as Kubo makes them, without Kubo.

A file becomes a tree of blocks: raw leaves of 256 KiB, and dag-pb nodes of at most 174 links above
them, balanced; the identifier (CIDv1, SHA-256, base32) is that of the top block. The same bytes
have the same identifier here and after `ipfs add --cid-version 1 --raw-leaves`.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

CHUNK_BYTES: Final = 262_144
LINKS_MAX: Final = 174
# Of a node: 174 links of some 50 bytes, and the sizes of its children.
BLOCK_BYTES_MAX: Final = CHUNK_BYTES
_RAW: Final = 0x55
_DAG_PB: Final = 0x70
_CID_BYTES: Final = 36
_DIGEST_BYTES: Final = 32
_UNIXFS_FILE: Final = 2
_VARINT_BYTES_MAX: Final = 9
_LENGTH_DELIMITED: Final = 2

Put = Callable[[str, bytes], None]
Get = Callable[[str], bytes]


class ContentFault(Exception):  # noqa: N818 - It is a finding about content, told to nobody outside.
    """Bytes are not what their identifier says, or the identifier is none of ours."""


class _Child(NamedTuple):
    """A finished block.

    Attributes:
        cid: Its identifier, binary.
        tree_bytes: Size of it and all below it.
        file_bytes: Size of the file's bytes below it.
    """

    cid: bytes
    tree_bytes: int
    file_bytes: int


def cid_of(data: bytes) -> str:
    """Returns the identifier of content."""
    return import_file(data, lambda _cid, _block: None)


def import_file(data: bytes, put: Put) -> str:
    """Cuts content into blocks, gives each to `put`, leaves first; returns the identifier."""
    level = [
        _leaf(data[start : start + CHUNK_BYTES], put)
        for start in range(0, max(len(data), 1), CHUNK_BYTES)
    ]
    while len(level) > 1:
        level = [
            _node(level[start : start + LINKS_MAX], put)
            for start in range(0, len(level), LINKS_MAX)
        ]
    return _text(level[0].cid)


def export_file(cid: str, get: Get, *, bytes_max: int) -> bytes:
    """Returns the content of an identifier, every block checked against its own.

    Args:
        cid: The identifier.
        get: Returns a block.
        bytes_max: Size of the largest content wanted.

    Raises:
        ContentFault: A block is not what its identifier says, or the content is too large.
    """
    parts: list[bytes] = []
    size = 0
    for leaf in leaves(cid, get):
        size += len(leaf)
        if size > bytes_max:
            raise ContentFault(f"The content has more than {bytes_max} bytes.")
        parts.append(leaf)
    return b"".join(parts)


def leaves(cid: str, get: Get) -> Iterator[bytes]:
    """Yields the leaves of a tree in order, each block checked."""
    for _, block in blocks(cid, get):
        if block is not None:
            yield block


def blocks(cid: str, get: Get) -> Iterator[tuple[str, bytes | None]]:
    """Yields the identifier of each block of a tree, and the bytes of those that are leaves."""
    waiting = [cid]
    while waiting:
        name = waiting.pop()
        binary = parse(name)
        block = get(name)
        if hashlib.sha256(block).digest() != binary[-_DIGEST_BYTES:]:
            raise ContentFault(f"The bytes of {name} are not those it names.")
        if binary[1] == _RAW:
            yield name, block
            continue
        yield name, None
        waiting.extend(_text(child) for child in reversed(_links(block)))


def parse(cid: str) -> bytes:
    """Returns the binary form of an identifier.

    Raises:
        ContentFault: It is not a CIDv1 in base32 of a raw or dag-pb block by SHA-256.
    """
    try:
        binary = base64.b32decode(cid[1:].upper() + "=" * (-len(cid[1:]) % 8))
    except ValueError as error:
        raise ContentFault("The identifier is not base32.") from error
    is_ours = (
        len(binary) == _CID_BYTES
        and binary[0] == 1
        and binary[1] in {_RAW, _DAG_PB}
        and binary[2:4] == b"\x12\x20"
    )
    # One spelling only: upper case and loose padding bits would make a second name.
    if not is_ours or _text(binary) != cid:
        raise ContentFault("The identifier is not a CIDv1 by SHA-256.")
    return binary


def is_cid(text: str) -> bool:
    """Returns whether the text is an identifier as this store makes them."""
    try:
        parse(text)
    except ContentFault:
        return False
    return True


def _leaf(chunk: bytes, put: Put) -> _Child:
    cid = _cid(_RAW, chunk)
    put(_text(cid), chunk)
    return _Child(cid, len(chunk), len(chunk))


def _node(children: list[_Child], put: Put) -> _Child:
    size = sum(child.file_bytes for child in children)
    sizes = b"".join(b"\x20" + _varint(child.file_bytes) for child in children)
    # Links first, then the data: the order of canonical dag-pb.
    block = b"".join(
        _field(2, _field(1, child.cid) + b"\x12\x00\x18" + _varint(child.tree_bytes))
        for child in children
    ) + _field(1, b"\x08" + _varint(_UNIXFS_FILE) + b"\x18" + _varint(size) + sizes)
    cid = _cid(_DAG_PB, block)
    put(_text(cid), block)
    return _Child(cid, len(block) + sum(child.tree_bytes for child in children), size)


def _cid(codec: int, block: bytes) -> bytes:
    return bytes((1, codec, 0x12, _DIGEST_BYTES)) + hashlib.sha256(block).digest()


def _text(binary: bytes) -> str:
    return "b" + base64.b32encode(binary).decode().lower().rstrip("=")


def _field(number: int, data: bytes) -> bytes:
    return bytes((number << 3 | _LENGTH_DELIMITED,)) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:  # noqa: PLR2004 - The bit that says that more follows.
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _links(block: bytes) -> list[bytes]:
    """Returns the identifiers that a dag-pb node links to."""
    found = []
    for number, value in _fields(block):
        if number == 2:  # noqa: PLR2004 - The number of PBNode.Links.
            cids = [inner for inner_number, inner in _fields(value) if inner_number == 1]
            if len(cids) != 1:
                raise ContentFault("A link without an identifier.")
            found.append(cids[0])
    if not found:
        raise ContentFault("A node without links.")
    return found


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields the length-delimited fields of a protobuf message."""
    position = 0
    while position < len(data):
        key, position = _read_varint(data, position)
        value, position = _read_varint(data, position)
        if key & 7 == 0:
            continue
        if key & 7 != _LENGTH_DELIMITED or position + value > len(data):
            raise ContentFault("A node that can't be read.")
        yield key >> 3, data[position : position + value]
        position += value


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for index in range(_VARINT_BYTES_MAX):
        if position + index >= len(data):
            break
        byte = data[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if not byte & 0x80:
            return value, position + index + 1
    raise ContentFault("A node that can't be read.")
