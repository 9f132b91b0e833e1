"""The chain: the port, in plain values. Every method blocks; call it from a thread.

Implementations are `chain_embedded` (a chain inside the exchange) and `chain_web3` (any node with
Ethereum's JSON-RPC); both import their libraries when they are opened and not before.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol


class Block(NamedTuple):
    """A block; hashes are hexadecimal with 0x."""

    number: int
    hash: str
    parent_hash: str
    time: datetime
    base_fee_wei: int


class Log(NamedTuple):
    """Something a contract announced."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: str
    log_index: int
    transaction_hash: str


class Receipt(NamedTuple):
    """A transaction in a block."""

    transaction_hash: str
    block_number: int
    block_hash: str
    is_successful: bool
    gas_used: int
    contract_address: str


class Transaction(NamedTuple):
    """A transaction a node knows; block_number is 0 before it is in a block."""

    hash: str
    from_address: str
    to_address: str
    nonce: int
    block_number: int
    block_hash: str


class Request(NamedTuple):
    """What a transaction would do; an empty receiver creates a contract."""

    from_address: str
    to_address: str
    data: bytes
    value_wei: int = 0


class Offer(NamedTuple):
    """Under which conditions a transaction goes."""

    nonce: int
    gas_limit: int
    max_fee_wei: int
    tip_wei: int


class Signed(NamedTuple):
    """A signed transaction, as hexadecimal with 0x."""

    raw: str
    hash: str


class RevertedError(Exception):
    """The chain refuses a call; `data` says why, in the contract's terms."""

    def __init__(self, words: str, data: bytes) -> None:
        super().__init__(words)
        self.words = words
        self.data = data


class NonceTakenError(Exception):
    """Another transaction with this nonce is in a block."""


class UnderpricedError(Exception):
    """The node wants a higher fee for this transaction."""


class Chain(Protocol):
    """A chain. What it can't do because it is down is DomainError CHAIN_UNREACHABLE."""

    @property
    def is_simulated(self) -> bool:
        """Returns whether it is the chain inside the exchange."""

    def head(self) -> Block:
        """Returns the newest block, of the chain that was agreed on."""

    def block(self, number: int) -> Block | None:
        """Returns a block of the chain as it stands, or None."""

    def tip_wei(self) -> int:
        """Returns the tip for a unit of gas that is usual now."""

    def nonces(self, address: str) -> tuple[int, int]:
        """Returns how many transactions of a sender are in blocks, and with those that wait."""

    def estimate(self, request: Request) -> int:
        """Returns the gas that a transaction would use.

        Raises:
            RevertedError: It would be reverted.
        """

    def call(self, request: Request, *, block_number: int | None = None) -> bytes:
        """Returns what a call gives, without a transaction.

        Raises:
            RevertedError: It is refused.
        """

    def sign(self, request: Request, offer: Offer, key: bytes) -> Signed:
        """Returns a signed transaction; nobody hears of it."""

    def send(self, raw: str) -> None:
        """Hands a signed transaction to the chain; one that is there already is no mistake.

        Raises:
            NonceTakenError: Its nonce is used up, by itself or by another one.
            UnderpricedError: It pays too little, or too little more than the one it replaces.
        """

    def receipt(self, transaction_hash: str) -> Receipt | None:
        """Returns where a transaction is, in the chain as it stands; None while in no block."""

    def transaction(self, transaction_hash: str) -> Transaction | None:
        """Returns a transaction, or None when the node does not know it."""

    def logs(self, addresses: Sequence[str], first: int, last: int) -> list[Log]:
        """Returns what contracts announced in a range of blocks there are, in order."""

    def advance(self) -> None:
        """Lets a simulated chain make a block; others do so by themselves."""

    def close(self) -> None:
        """Closes connections."""
