"""The chain of any node with Ethereum's JSON-RPC.

The node is not believed where that costs nothing: it must be of the chain that was agreed on, its
numbers must fit, its answers are cut off when they are too long, and it can't send us elsewhere.
"""

import ast
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from farmgate.errors import DomainError
from farmgate.ports.chain import (
    Block,
    Log,
    NonceTakenError,
    Offer,
    Receipt,
    Request,
    RevertedError,
    Signed,
    Transaction,
    UnderpricedError,
)
from farmgate.telemetry.logs import logger

if TYPE_CHECKING:
    from web3 import Web3

_TIMEOUT_S: Final = 5.0
_REPLY_BYTES_MAX: Final = 16 * 1024 * 1024
_READ_BYTES: Final = 64 * 1024
# What the database keeps; larger is nonsense in every unit used here.
_NUMBER_MAX: Final = (1 << 63) - 1
_TIME_MAX: Final = 253_402_300_799
_DEFAULT_TIP_WEI: Final = 1_000_000_000
_KNOWN: Final = ("already known", "already imported", "known transaction", "alreadyknown")
_NONCE_TAKEN: Final = ("nonce too low", "nonce is too low", "oldnonce", "invalid transaction nonce")
_UNDERPRICED: Final = ("underpriced", "fee too low", "max fee per gas less than block base fee")
_log = logger(__name__)


class Web3Chain:
    """A chain through web3.

    Args:
        open_: Makes the connection, once it is needed.
        chain_id: The chain it must be.
        is_simulated: Whether it is the chain inside the exchange.
    """

    def __init__(self, open_: Callable[[], "Web3"], *, chain_id: int, is_simulated: bool) -> None:
        self._open = open_
        self._chain_id = chain_id
        self._is_simulated = is_simulated
        self._opened: Web3 | None = None
        # What else than web3's own errors says that a call is refused.
        self._refusals: tuple[type[Exception], ...] = ()
        self._lock = threading.RLock()

    @property
    def is_simulated(self) -> bool:
        """Returns whether it is the chain inside the exchange."""
        return self._is_simulated

    def head(self) -> Block:
        """Returns the newest block, of the chain that was agreed on."""
        with self._use() as w3:
            # web3 answers for eth-tester with a number of its own.
            found = self._chain_id if self._is_simulated else w3.eth.chain_id
            if found != self._chain_id:
                _log.error("the node is of another chain", wanted=self._chain_id, found=str(found))
                raise DomainError("CHAIN_UNREACHABLE")
            return _block(w3.eth.get_block("latest"))

    def block(self, number: int) -> Block | None:
        """Returns a block of the chain as it stands, or None."""
        from web3.exceptions import BlockNotFound  # noqa: PLC0415 - Lazily, as all of web3.

        with self._use() as w3:
            try:
                return _block(w3.eth.get_block(number))
            except BlockNotFound:
                return None

    def tip_wei(self) -> int:
        """Returns the tip for a unit of gas that is usual now."""
        if self._is_simulated:
            return _DEFAULT_TIP_WEI
        with self._use() as w3:
            return _number(w3.eth.max_priority_fee)

    def nonces(self, address: str) -> tuple[int, int]:
        """Returns how many transactions of a sender are in blocks, and with those that wait."""
        with self._use() as w3:
            sender = w3.to_checksum_address(address)
            mined = _number(w3.eth.get_transaction_count(sender, "latest"))
            return mined, max(mined, _number(w3.eth.get_transaction_count(sender, "pending")))

    def estimate(self, request: Request) -> int:
        """Returns the gas that a transaction would use."""
        with self._use() as w3:
            return _number(w3.eth.estimate_gas(_request(w3, request)))

    def call(self, request: Request, *, block_number: int | None = None) -> bytes:
        """Returns what a call gives, without a transaction."""
        with self._use() as w3:
            at: Any = "latest" if block_number is None else block_number
            return bytes(w3.eth.call(_request(w3, request), at, ccip_read_enabled=False))

    def sign(self, request: Request, offer: Offer, key: bytes) -> Signed:
        """Returns a signed transaction; nobody hears of it."""
        with self._use() as w3:
            signed = w3.eth.account.sign_transaction(
                {
                    "type": 2,
                    "chainId": self._chain_id,
                    "nonce": offer.nonce,
                    "gas": offer.gas_limit,
                    "maxFeePerGas": offer.max_fee_wei,
                    "maxPriorityFeePerGas": min(offer.tip_wei, offer.max_fee_wei),
                    "to": w3.to_checksum_address(request.to_address) if request.to_address else "",
                    "value": request.value_wei,
                    "data": request.data,
                },
                key,
            )
        return Signed(_hex(signed.raw_transaction), _hex(signed.hash))

    def send(self, raw: str) -> None:
        """Hands a signed transaction to the chain; one that is there already is no mistake."""
        with self._use() as w3:
            w3.eth.send_raw_transaction(raw)  # type: ignore[arg-type] # Hexadecimal with 0x does.

    def receipt(self, transaction_hash: str) -> Receipt | None:
        """Returns where a transaction is, in the chain as it stands; None while in no block."""
        from web3.exceptions import TransactionNotFound  # noqa: PLC0415 - As above.

        with self._use() as w3:
            try:
                found: Any = w3.eth.get_transaction_receipt(transaction_hash)  # type: ignore[arg-type] # As send.
            except TransactionNotFound:
                return None
            return Receipt(
                transaction_hash=transaction_hash,
                block_number=_number(found["blockNumber"]),
                block_hash=_hex(found["blockHash"]),
                is_successful=found["status"] == 1,
                gas_used=_number(found["gasUsed"]),
                contract_address=found.get("contractAddress") or "",
            )

    def transaction(self, transaction_hash: str) -> Transaction | None:
        """Returns a transaction, or None when the node does not know it."""
        from web3.exceptions import TransactionNotFound  # noqa: PLC0415 - As above.

        with self._use() as w3:
            try:
                found: Any = w3.eth.get_transaction(transaction_hash)  # type: ignore[arg-type] # As send.
            except TransactionNotFound:
                return None
            block_hash = found.get("blockHash")
            return Transaction(
                hash=transaction_hash,
                from_address=str(found["from"]),
                to_address=str(found.get("to") or ""),
                nonce=_number(found["nonce"]),
                block_number=_number(found["blockNumber"]) if block_hash else 0,
                block_hash=_hex(block_hash) if block_hash else "",
            )

    def logs(self, addresses: Sequence[str], first: int, last: int) -> list[Log]:
        """Returns what contracts announced in a range of blocks there are, in order."""
        if not addresses or first > last:
            return []
        with self._use() as w3:
            found = [
                entry
                for address in addresses
                for entry in w3.eth.get_logs(
                    {
                        "address": w3.to_checksum_address(address),
                        "fromBlock": first,
                        "toBlock": last,
                    }
                )
            ]
            return sorted(map(_log_of, found), key=lambda log: (log.block_number, log.log_index))

    def advance(self) -> None:
        """Lets a simulated chain make a block; others do so by themselves."""

    def close(self) -> None:
        """Closes the connection."""
        self._opened = None

    @contextmanager
    def _use(self) -> Iterator["Web3"]:
        """Gives the connection; what it raises becomes what the port says."""
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
            try:
                with _as_refusals():
                    yield self._opened
            except self._refusals as error:
                raise RevertedError("reverted", _data_within(error)) from error


def http_chain(url: str, *, chain_id: int, timeout_s: float = _TIMEOUT_S) -> Web3Chain:
    """Returns the chain of a node.

    Args:
        url: Address of its JSON-RPC.
        chain_id: The chain it must be.
        timeout_s: How long it may be silent.
    """

    def open_() -> "Web3":
        from web3 import HTTPProvider, Web3  # noqa: PLC0415 - It takes seconds that only this needs.

        # Only what has proved to be safe is repeated, and that by who asked.
        provider = HTTPProvider(
            url,
            request_kwargs={"timeout": timeout_s, "allow_redirects": False},
            session=_bounded_session(),
            exception_retry_configuration=None,
        )
        provider.global_ccip_read_enabled = False
        return Web3(provider, middleware=[])

    return Web3Chain(open_, chain_id=chain_id, is_simulated=False)


def _bounded_session() -> Any:
    import requests  # noqa: PLC0415 - web3's own, as late as it.

    class BoundedSession(requests.Session):
        """Cuts long replies off."""

        def send(self, request: Any, **options: Any) -> Any:
            response = super().send(request, **{**options, "stream": True})
            body = bytearray()
            for part in response.iter_content(_READ_BYTES):
                body += part
                if len(body) > _REPLY_BYTES_MAX:
                    response.close()
                    raise requests.ConnectionError("The reply is too long.")
            response._content = bytes(body)  # noqa: SLF001 - Where requests keeps what it read.
            if response.is_redirect:
                raise requests.ConnectionError("A node does not send its callers elsewhere.")
            return response

    session = BoundedSession()
    session.trust_env = False
    return session


@contextmanager
def _as_refusals() -> Iterator[None]:
    """Turns what web3, eth-tester and HTTP raise into what the port says."""
    import requests  # noqa: PLC0415 - As above.
    from eth_utils import ValidationError  # noqa: PLC0415 - As above.
    from web3.exceptions import ContractLogicError, Web3Exception  # noqa: PLC0415 - As above.

    try:
        yield
    except ContractLogicError as error:
        raise RevertedError(str(error.message or "reverted")[:200], _data(error.data)) from error
    except (Web3Exception, ValidationError) as error:
        _refuse(error)
    except (requests.RequestException, OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("the chain's node failed", kind=type(error).__name__)
        raise DomainError("CHAIN_UNREACHABLE").retry_after(5_000) from error


def _refuse(error: Exception) -> None:
    """Raises what a node's refusal means; a transaction it has already is none."""
    response = getattr(error, "rpc_response", None) or {}
    told = response.get("error") if isinstance(response, dict) else None
    words = f"{error} {told.get('message', '') if isinstance(told, dict) else ''}"
    lower = words.lower()
    if any(known in lower for known in _KNOWN):
        return
    if any(known in lower for known in _NONCE_TAKEN):
        raise NonceTakenError(words[:200]) from error
    if any(known in lower for known in _UNDERPRICED):
        raise UnderpricedError(words[:200]) from error
    if "revert" in lower:
        data = told.get("data") if isinstance(told, dict) else None
        raise RevertedError(words[:200], _data(data)) from error
    _log.warning("the chain's node refused", kind=type(error).__name__, words=words[:200])
    raise DomainError("CHAIN_UNREACHABLE").retry_after(5_000) from error


def _request(w3: "Web3", request: Request) -> Any:
    values: dict[str, Any] = {
        "from": w3.to_checksum_address(request.from_address),
        "data": _hex(request.data),
        "value": request.value_wei,
    }
    if request.to_address:
        values["to"] = w3.to_checksum_address(request.to_address)
    return values


def _block(found: Any) -> Block:
    return Block(
        number=_number(found["number"]),
        hash=_hex(found["hash"]),
        parent_hash=_hex(found["parentHash"]),
        time=datetime.fromtimestamp(min(_number(found["timestamp"]), _TIME_MAX), UTC),
        base_fee_wei=_number(found.get("baseFeePerGas") or 0),
    )


def _log_of(found: Any) -> Log:
    return Log(
        address=str(found["address"]),
        topics=tuple(bytes(topic) for topic in found["topics"]),
        data=bytes(found["data"]),
        block_number=_number(found["blockNumber"]),
        block_hash=_hex(found["blockHash"]),
        log_index=_number(found["logIndex"]),
        transaction_hash=_hex(found["transactionHash"]),
    )


def _number(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value <= _NUMBER_MAX:
        raise ValueError("The node's number can't be.")
    return value


def _hex(value: Any) -> str:
    return "0x" + bytes(value).hex()


def _data_within(error: BaseException | None) -> bytes:
    """Returns the data of a revert that is wrapped in other errors."""
    while error is not None:
        told = error.args[0] if error.args else None
        if isinstance(told, str) and told.startswith(("b'", 'b"')):
            # eth-tester tells bytes as Python writes them.
            told = ast.literal_eval(told)
        if isinstance(told, bytes):
            return told
        error = error.__cause__ or error.__context__
    return b""


def _data(value: Any) -> bytes:
    """Returns the data of a revert, which comes in many forms."""
    if isinstance(value, dict):
        value = value.get("data") or value.get("result")
    if isinstance(value, bytes):
        return value
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            return b""
    return b""
