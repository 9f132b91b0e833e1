"""Content that is named by its hash: the port, and the folder that keeps it.

Whatever is put is kept here first, durably, under the identifier that Kubo would give it; whether
the content network holds it as well is a second step (`pin`), which can wait while that is down.
"""

import os
import secrets
import time
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from farmgate.errors import DomainError
from farmgate.ports import unixfs
from farmgate.ports.unixfs import ContentFault, cid_of, is_cid

__all__ = ["Content", "ContentFolder", "PinState", "cid_of", "is_cid"]

# Larger content is nobody's contract, certificate or leaf file.
CONTENT_BYTES_MAX: Final = 64 * 1024 * 1024
_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
# Characters at the end of an identifier that name its folder; its beginning is always the same.
_SHARD_CHARACTERS: Final = 2
# Unpinned blocks younger than this may belong to a put that is under way.
SWEEP_AGE_S: Final = 86_400.0


class PinState(StrEnum):
    """Where content is kept."""

    NONE = "NONE"
    LOCAL = "LOCAL"
    NETWORK = "NETWORK"
    BOTH = "BOTH"


class Content(Protocol):
    """Keeps content by identifier. Every method blocks; call it from a thread."""

    def put(self, data: bytes) -> str:
        """Keeps and pins content here; returns its identifier once it is durable.

        It never waits for the network. The same content again changes nothing.

        Raises:
            DomainError: PAYLOAD_TOO_LARGE.
        """

    def get(self, cid: str) -> bytes:
        """Returns content, hashed again.

        Raises:
            DomainError: IPFS_NOT_FOUND, CID_MISMATCH when it was damaged, IPFS_UNREACHABLE when it
                could only be in the network and that is down.
        """

    def has(self, cid: str) -> bool:
        """Returns whether the content is kept here, whole and undamaged."""

    def pin(self, cid: str) -> PinState:
        """Makes every place that there is hold the content; returns where it is kept now.

        Raises:
            DomainError: IPFS_NOT_FOUND, CID_MISMATCH, IPFS_UNREACHABLE.
        """

    def unpin(self, cid: str) -> None:
        """Lets go of content; its bytes go when they are swept. Unknown content is no mistake.

        Raises:
            DomainError: IPFS_UNREACHABLE; it is let go here nevertheless.
        """

    def pin_state(self, cid: str) -> PinState:
        """Returns where the content is kept, as far as is known without asking the network."""

    def probe(self) -> str:
        """Returns what is worth telling of the store.

        Raises:
            DomainError: IPFS_UNREACHABLE.
        """

    def close(self) -> None:
        """Closes connections."""


class ContentFolder:
    """Keeps blocks as files of a folder.

    `blocks/<2 characters>/<identifier>` holds a block, `pins/<identifier>` is there for content
    that must stay. Files are written aside, synced and renamed into place.

    Args:
        folder: The folder; made when it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._blocks = folder / "blocks"
        self._pins = folder / "pins"
        for made in (self._blocks, self._pins):
            made.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)

    def put(self, data: bytes) -> str:
        """Keeps and pins content; returns its identifier."""
        if len(data) > CONTENT_BYTES_MAX:
            raise DomainError(
                "PAYLOAD_TOO_LARGE", size_bytes=len(data), size_bytes_max=CONTENT_BYTES_MAX
            )
        touched: set[Path] = set()
        cid = unixfs.import_file(data, lambda name, block: self._keep(name, block, touched))
        for folder in touched:
            _sync_folder(folder)
        self._mark(cid)
        return cid

    def get(self, cid: str) -> bytes:
        """Returns content, hashed again."""
        if not is_cid(cid):
            raise DomainError("IPFS_NOT_FOUND", cid=cid)
        try:
            return unixfs.export_file(cid, self._block, bytes_max=CONTENT_BYTES_MAX)
        except FileNotFoundError as error:
            raise DomainError("IPFS_NOT_FOUND", cid=cid) from error
        except ContentFault as error:
            raise DomainError("CID_MISMATCH") from error

    def has(self, cid: str) -> bool:
        """Returns whether all blocks of the content are here and undamaged."""
        try:
            for _ in unixfs.blocks(cid, self._block):
                pass
        except (ContentFault, FileNotFoundError):
            return False
        return True

    def pin(self, cid: str) -> PinState:
        """Marks content that must stay."""
        if not self.has(cid):
            raise DomainError("IPFS_NOT_FOUND", cid=cid)
        self._mark(cid)
        return PinState.LOCAL

    def unpin(self, cid: str) -> None:
        """Takes the mark away."""
        if is_cid(cid):
            (self._pins / cid).unlink(missing_ok=True)
            _sync_folder(self._pins)

    def pin_state(self, cid: str) -> PinState:
        """Returns LOCAL for content that is marked."""
        is_kept = is_cid(cid) and (self._pins / cid).exists()
        return PinState.LOCAL if is_kept else PinState.NONE

    def probe(self) -> str:
        """Returns that there is no network."""
        return "local store"

    def close(self) -> None:
        """Has nothing to close."""

    def sweep(self, *, age_s: float = SWEEP_AGE_S) -> int:
        """Removes old blocks that no marked content needs; returns how many."""
        needed: set[str] = set()
        for pin in self._pins.iterdir():
            try:
                needed.update(name for name, _ in unixfs.blocks(pin.name, self._block))
            except (ContentFault, FileNotFoundError):
                # Damaged content: what is left of it stays, for who wants to repair it.
                return 0
        before = time.time() - age_s
        removed = 0
        for path in self._blocks.glob("*/*"):
            if path.name not in needed and path.stat().st_mtime <= before:
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def _block(self, cid: str) -> bytes:
        return self._path(cid).read_bytes()

    def _path(self, cid: str) -> Path:
        # An identifier has passed `parse`, so it holds nothing that a path could mistake.
        return self._blocks / cid[-_SHARD_CHARACTERS:] / cid

    def _keep(self, cid: str, block: bytes, touched: set[Path]) -> None:
        path = self._path(cid)
        if path.exists() and path.stat().st_size == len(block):
            # Young again, so that no sweep takes it before the content is marked.
            os.utime(path)
        else:
            if not path.parent.exists():
                path.parent.mkdir(mode=_FOLDER_MODE, exist_ok=True)
                touched.add(self._blocks)
            _write(path, block)
        # Synced also when the file was there: who wrote it may not have come that far.
        touched.add(path.parent)

    def _mark(self, cid: str) -> None:
        pin = self._pins / cid
        if not pin.exists():
            _write(pin, b"")
            _sync_folder(self._pins)


def _write(path: Path, data: bytes) -> None:
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE), "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
