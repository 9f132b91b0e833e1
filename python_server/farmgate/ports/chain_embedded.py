"""The chain inside the exchange: eth-tester's over a database file.

Several processes may use one file: a lock lets one at a time, and who finds that another one made
a block reads the chain anew. A block is there for good when the call that made it returns.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from farmgate.ports.chain_web3 import Web3Chain

if TYPE_CHECKING:
    from web3 import Web3

    from farmgate.ports.chain_pyevm import Store

# Also in `chain_pyevm`, which nobody imports for a number.
CHAIN_ID: Final = 31337
_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600


class EmbeddedChain(Web3Chain):
    """A chain of one process or of several on one machine.

    Args:
        folder: Where it is kept; made when it is missing.
        operator: Address that holds all the money.
    """

    def __init__(self, folder: Path, operator: str) -> None:
        super().__init__(self._open_tester, chain_id=CHAIN_ID, is_simulated=True)
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        self._operator = operator
        self._path = folder / "chain.db"
        self._lock_file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, _FILE_MODE)
        self._store: Store | None = None
        self._tester: Any = None
        self._depth = 0

    def advance(self) -> None:
        """Makes a block."""
        with self._use():
            self._tester.backend.to_now()
            self._tester.mine_block()

    def send(self, raw: str) -> None:
        """Hands a signed transaction to the chain, which puts it into a block at once."""
        with self._use():
            self._tester.backend.to_now()
            super().send(raw)

    def close(self) -> None:
        """Closes the file."""
        super().close()
        if self._store is not None:
            self._store.close()
            self._store = None
        if self._lock_file >= 0:
            os.close(self._lock_file)
            self._lock_file = -1

    @contextmanager
    def _use(self) -> Iterator["Web3"]:
        with self._lock:
            if self._depth:
                with super()._use() as w3:
                    yield w3
                return
            fcntl.flock(self._lock_file, fcntl.LOCK_EX)
            self._depth += 1
            try:
                if self._store is not None and self._store.is_changed():
                    self._tester.backend.reset_to_genesis()
                with super()._use() as w3:
                    yield w3
                if self._store is not None:
                    self._store.commit()
            except BaseException:
                if self._store is not None:
                    # A refused transaction leaves nothing behind.
                    self._store.roll_back()
                    self._tester.backend.reset_to_genesis()
                raise
            finally:
                self._depth -= 1
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)

    def _open_tester(self) -> "Web3":
        from farmgate.ports import chain_pyevm  # noqa: PLC0415 - It takes seconds to import.

        self._store = chain_pyevm.Store(self._path)
        self._tester, connected = chain_pyevm.tester(self._store, self._operator)
        self._store.commit()
        self._refusals = (chain_pyevm.TransactionFailed,)
        return connected
