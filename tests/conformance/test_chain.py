"""What every chain does, and nodes that do what none should: CHN-004 to CHN-006."""

import json
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from chains import CHAIN_ID, GWEI, OPERATOR, SELLER, Anvil, anvil, receipt_of
from farmgate.errors import DomainError
from farmgate.ports.chain import Chain, NonceTakenError, Offer, Request, RevertedError
from farmgate.ports.chain_embedded import EmbeddedChain
from farmgate.ports.chain_web3 import http_chain

KEY = bytes(OPERATOR.key)
UNKNOWN = "0x" + "12" * 32


@pytest.fixture(params=["embedded", "anvil"])
def chain(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Chain]:
    made: Chain
    if request.param == "embedded":
        made = EmbeddedChain(tmp_path, OPERATOR.address)
        yield made
        made.close()
    else:
        with anvil() as node:
            made = http_chain(node.url, chain_id=CHAIN_ID)
            yield made
            made.close()


def send(chain: Chain, request: Request, nonce: int) -> str:
    offer = Offer(nonce, chain.estimate(request) + 1_000, 20 * GWEI, GWEI)
    signed = chain.sign(request, offer, KEY)
    chain.send(signed.raw)
    return signed.hash


def test_transaction_from_signing_to_its_block(chain: Chain) -> None:
    """CHN-004."""
    head = chain.head()
    assert chain.block(head.number) == head
    assert chain.nonces(OPERATOR.address) == (0, 0)
    request = Request(OPERATOR.address, SELLER.address, b"", 5)
    assert chain.estimate(request) == 21_000
    offer = Offer(0, 21_000, 20 * GWEI, GWEI)
    signed = chain.sign(request, offer, KEY)
    assert chain.sign(request, offer, KEY) == signed, "The same request gives the same bytes."
    assert chain.transaction(signed.hash) is None
    assert chain.receipt(signed.hash) is None
    chain.send(signed.raw)
    chain.advance()
    receipt = receipt_of(chain, signed.hash)
    assert receipt.is_successful
    assert receipt.gas_used == 21_000
    block = chain.block(receipt.block_number)
    assert block
    assert block.hash == receipt.block_hash
    found = chain.transaction(signed.hash)
    assert found
    assert (found.nonce, found.block_number) == (0, receipt.block_number)
    assert found.from_address == OPERATOR.address
    assert chain.nonces(OPERATOR.address) == (1, 1)
    with pytest.raises(NonceTakenError):
        chain.send(signed.raw)


def test_what_is_unknown_is_none(chain: Chain) -> None:
    assert chain.receipt(UNKNOWN) is None
    assert chain.transaction(UNKNOWN) is None
    assert chain.block(10**9) is None
    assert chain.logs([], 0, 10) == []
    assert chain.logs([SELLER.address], 0, chain.head().number) == []
    assert chain.tip_wei() > 0


def test_refused_calls_say_why(chain: Chain) -> None:
    """CHN-004: the same error with the same data on both."""
    code = bytes.fromhex("63deadbeef6000526004601cfd")
    request = Request(OPERATOR.address, "", code)
    for ask in (chain.estimate, chain.call):
        with pytest.raises(RevertedError) as error:
            ask(request)
        assert error.value.data == bytes.fromhex("deadbeef")
    # The chain is as it was, and goes on.
    assert chain.nonces(OPERATOR.address) == (0, 0)
    send(chain, Request(OPERATOR.address, SELLER.address, b"", 1), 0)


def test_logs_come_with_their_blocks(chain: Chain) -> None:
    code = bytes.fromhex("602a600052600160206000a100")
    made = send(chain, Request(OPERATOR.address, "", code), 0)
    chain.advance()
    receipt = receipt_of(chain, made)
    address = receipt.contract_address
    logs = chain.logs([address], 0, chain.head().number)
    assert [log.topics for log in logs] == [((1).to_bytes(32, "big"),)]
    assert logs[0].data == (42).to_bytes(32, "big")
    assert logs[0].block_hash == receipt.block_hash
    assert logs[0].transaction_hash == made
    last = send(chain, Request(OPERATOR.address, SELLER.address, b"", 1), 1)
    after = receipt_of(chain, last)
    assert chain.logs([address], receipt.block_number + 1, after.block_number) == []


def test_embedded_chain_is_kept(tmp_path: Path) -> None:
    """CHN-005."""
    first = EmbeddedChain(tmp_path, OPERATOR.address)
    made = send(first, Request(OPERATOR.address, SELLER.address, b"", 1), 0)
    head = first.head()
    first.close()
    second = EmbeddedChain(tmp_path, OPERATOR.address)
    assert second.head() == head
    assert second.receipt(made)
    assert second.nonces(OPERATOR.address) == (1, 1)
    second.close()


def _send_ten(folder: Path, done: Any) -> None:
    chain = EmbeddedChain(folder, OPERATOR.address)
    sent = 0
    while sent < 10:
        nonce = chain.nonces(OPERATOR.address)[0]
        try:
            send(chain, Request(OPERATOR.address, SELLER.address, b"", 1), nonce)
            sent += 1
        except NonceTakenError:
            pass
    chain.close()
    done.put(sent)


def test_processes_share_the_embedded_chain(tmp_path: Path) -> None:
    """CHN-005: two at once; no block is lost."""
    context = multiprocessing.get_context("spawn")
    done = context.Queue()
    processes = [context.Process(target=_send_ten, args=(tmp_path, done)) for _ in range(2)]
    for process in processes:
        process.start()
    assert [done.get(timeout=60) for _ in processes] == [10, 10]
    for process in processes:
        process.join(30)
    chain = EmbeddedChain(tmp_path, OPERATOR.address)
    assert chain.nonces(OPERATOR.address) == (20, 20)
    assert chain.head().number == 20
    chain.close()


@contextmanager
def node(answer: Callable[[str], tuple[int, dict[str, str], Iterator[bytes]]]) -> Iterator[str]:
    """A node that answers a method as it is told."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, parts = answer(json.loads(body)["method"])
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                for part in parts:
                    self.wfile.write(part)
            except (BrokenPipeError, ConnectionResetError):
                pass

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def result(value: Any) -> Iterator[bytes]:
    return iter([json.dumps({"jsonrpc": "2.0", "id": 0, "result": value}).encode()])


BLOCK = {
    "number": "0x1", "hash": UNKNOWN, "parentHash": UNKNOWN, "timestamp": "0x1",
    "baseFeePerGas": "0x1",
}  # fmt: skip
BAD_NODES = {
    "huge base fee": lambda: (200, {}, result({**BLOCK, "baseFeePerGas": "0x" + "f" * 64})),
    "huge number": lambda: (200, {}, result({**BLOCK, "number": "0x" + "f" * 40})),
    "no number": lambda: (200, {}, result({"hash": UNKNOWN})),
    "text": lambda: (200, {}, iter([b"<html>busy</html>"])),
    "nothing": lambda: (200, {}, iter([b""])),
    "an error": lambda: (500, {}, iter([b"{}"])),
    "too long": lambda: (200, {}, (b"x" * (1 << 20) for _ in range(1_024))),
    "elsewhere": lambda: (307, {"Location": "http://127.0.0.1:1/"}, iter([b""])),
}


@pytest.mark.parametrize("kind", BAD_NODES)
def test_bad_node_is_told_as_down(kind: str) -> None:
    """CHN-006: never an error of ours, and a gigabyte is not read."""

    def answer(method: str) -> Any:
        if method == "eth_chainId":
            return 200, {}, result(hex(CHAIN_ID))
        return BAD_NODES[kind]()

    with node(answer) as url:
        chain = http_chain(url, chain_id=CHAIN_ID)
        with pytest.raises(DomainError) as error:
            chain.head()
        assert error.value.reason == "CHAIN_UNREACHABLE"


def test_node_that_is_silent_or_not_there() -> None:
    silent = threading.Event()

    def answer(_method: str) -> Any:
        silent.wait(5)
        return 200, {}, iter([b""])

    with node(answer) as url:
        chain = http_chain(url, chain_id=CHAIN_ID, timeout_s=0.2)
        with pytest.raises(DomainError) as error:
            chain.head()
        assert error.value.reason == "CHAIN_UNREACHABLE"
        silent.set()
    with pytest.raises(DomainError):
        http_chain("http://127.0.0.1:1", chain_id=CHAIN_ID).head()


def test_node_comes_back(tmp_path: Path) -> None:
    with anvil() as first:
        chain = http_chain(first.url, chain_id=CHAIN_ID)
        chain.head()
        port = int(first.url.rpartition(":")[2])
    with pytest.raises(DomainError):
        chain.head()
    with anvil(port) as second:
        assert isinstance(second, Anvil)
        assert chain.head().number == 0
