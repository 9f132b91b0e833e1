"""What makes eth-tester's chain a kept one; only `chain_embedded` imports it, when it is needed.

It costs a second to import, so that the imports stand at the top here and this file stands alone.
"""

import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from eth.chains.base import MiningChain
from eth.db.atomic import AtomicDB
from eth.db.backends.base import BaseDB
from eth.exceptions import CanonicalHeadNotFound
from eth.vm.forks import PragueVM
from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.exceptions import TransactionFailed
from eth_utils import to_canonical_address
from web3 import Web3
from web3.providers.eth_tester import EthereumTesterProvider

if TYPE_CHECKING:
    from eth.rlp.headers import BlockHeader

__all__ = ["Store", "TransactionFailed", "tester"]

CHAIN_ID: Final = 31337
_FILE_MODE: Final = 0o600
# The operator's, for all the gas it will ever use here.
_BALANCE_WEI: Final = 10**30


class Store:
    """Keys and values in a file, as py-evm's databases have them."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        path.chmod(_FILE_MODE)
        for command in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=FULL",
            "CREATE TABLE IF NOT EXISTS pairs (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID",
        ):
            self._connection.execute(command)
        self._version = self._data_version()
        self._connection.execute("BEGIN IMMEDIATE")

    def is_changed(self) -> bool:
        """Returns whether another process wrote since the last commit."""
        self.roll_back()
        version = self._data_version()
        is_changed, self._version = version != self._version, version
        return is_changed

    def commit(self) -> None:
        """Makes what was written durable."""
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN")

    def roll_back(self) -> None:
        """Forgets what was written since the last commit."""
        self._connection.execute("ROLLBACK")
        self._connection.execute("BEGIN")

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def get(self, key: bytes) -> bytes | None:
        """Returns the value of a key, or None."""
        row = self._connection.execute("SELECT value FROM pairs WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def put(self, key: bytes, value: bytes) -> None:
        """Writes the value of a key."""
        self._connection.execute("INSERT OR REPLACE INTO pairs VALUES (?, ?)", (key, value))

    def remove(self, key: bytes) -> bool:
        """Removes a key; returns whether it was there."""
        return bool(self._connection.execute("DELETE FROM pairs WHERE key = ?", (key,)).rowcount)

    def _data_version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])


def tester(store: Store, operator: str) -> tuple[Any, Web3]:
    """Returns eth-tester over a store, and the connection to it.

    Args:
        store: Where the chain is kept.
        operator: Address that holds all the money of a chain that begins.
    """
    made = EthereumTester(_Backend(store, operator))
    return made, Web3(EthereumTesterProvider(made))


class _Pairs(BaseDB):
    """A store as py-evm wants it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getitem__(self, key: bytes) -> bytes:
        value = self._store.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._store.put(key, value)

    def __delitem__(self, key: bytes) -> None:
        if not self._store.remove(key):
            raise KeyError(key)

    def _exists(self, key: bytes) -> bool:
        return self._store.get(key) is not None


class _KeptChain(MiningChain):
    chain_id = CHAIN_ID
    vm_configuration = ((0, PragueVM),)  # type: ignore[assignment] # A number is a block number.

    def create_header_from_parent(self, parent_header: Any, **given: Any) -> "BlockHeader":
        """Returns the header of the next block; the room of a block stays what it is."""
        given.setdefault("gas_limit", parent_header.gas_limit)
        made: BlockHeader = super().create_header_from_parent(parent_header, **given)  # type: ignore[assignment] # Its only implementation.
        return made

    def get_transaction_builder(self) -> Any:
        """Returns what builds transactions; eth-tester asks the chain for it."""
        return super().get_vm().get_transaction_builder()


class _Backend(PyEVMBackend):  # type: ignore[misc] # It comes without types.
    def __init__(self, store: Store, operator: str) -> None:
        self._pairs = _Pairs(store)
        self._operator = operator
        super().__init__()

    def reset_to_genesis(self, *_: Any, **__: Any) -> None:
        """Reads the chain of the store, or begins it."""
        self.account_keys = ()
        self.chain: Any
        try:
            self.chain = _KeptChain(AtomicDB(self._pairs))
        except CanonicalHeadNotFound:
            rich: Any = {"balance": _BALANCE_WEI, "nonce": 0, "code": b"", "storage": {}}
            self.chain = _KeptChain.from_genesis(
                AtomicDB(self._pairs),
                self.generate_genesis_params(),
                {to_canonical_address(self._operator): rich},
            )

    def to_now(self) -> None:
        """Gives the next block the time it is, or the moment after the block before."""
        parent = self.chain.get_canonical_head()
        stamp = max(int(time.time()), parent.timestamp + 1)
        self.chain.header = self.chain.header.copy(timestamp=stamp)
