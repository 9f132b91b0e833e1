"""A small server behind a real Envoy: the real descriptors, answers made for the tests."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, ClassVar

import grpc
import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from google.api.httpbody_pb2 import HttpBody
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from e2e.exchange import Reply, free_ports
from farmgate.api.auth.v1 import auth_pb2
from farmgate.api.market.v1 import market_pb2
from farmgate.app.edge.options import EdgeOptions, TokenRules
from farmgate.app.edge.process import Edge
from farmgate.errors import DomainError
from farmgate.rpc.methods import all_methods
from farmgate.rpc.refusals import status_of

ISSUER, AUDIENCE = "farmgate", "farmgate-test"
_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_FOREIGN_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
JWKS = json.dumps(
    {
        "keys": [
            {
                **jwt.algorithms.RSAAlgorithm.to_jwk(_KEY.public_key(), as_dict=True),
                "kid": "one",
                "alg": "RS256",
                "use": "sig",
            }
        ]
    }
)
RULES = TokenRules(issuer=ISSUER, audience=AUDIENCE, jwks=JWKS)
SERVING = health_pb2.HealthCheckResponse.SERVING
# Events of a stream before the server ends it; a browser then comes again.
EVENTS_A_TIME = 3


def token(*, ttl_s: int = 600, foreign: bool = False, sub: str = "one", **claims: Any) -> str:
    """Returns an access token, or what looks like one."""
    told = {"iss": ISSUER, "aud": AUDIENCE, "sub": sub, "exp": int(time.time()) + ttl_s, **claims}
    key = _FOREIGN_KEY if foreign else _KEY
    return jwt.encode(told, key, algorithm="RS256", headers={"kid": "one"})


def ticket(**claims: Any) -> str:
    """Returns a stream ticket."""
    return token(aud=f"{AUDIENCE}-stream", **claims)


class Answers(grpc.GenericRpcHandler):
    """Answers each method of the API: an empty message, where nothing else is told."""

    METHODS: ClassVar = all_methods()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        method = self.METHODS.get(handler_call_details.method)
        if method is None:
            return None
        metadata = dict(handler_call_details.invocation_metadata)
        made = getattr(self, f"_{method.name}", None)
        if method.server_streaming:

            async def stream(_request: Any, _context: Any) -> AsyncIterator[bytes]:
                async for message in made(metadata) if made else _nothing():
                    yield message.SerializeToString()

            return grpc.unary_stream_rpc_method_handler(stream)

        async def one(_request: Any, context: Any) -> bytes:
            message = await made(metadata, context) if made else method.response()
            return message.SerializeToString()

        return grpc.unary_unary_rpc_method_handler(one)

    async def _GetMe(self, metadata: Any, _context: Any) -> Any:
        told = {name: str(value) for name, value in metadata.items() if name != "user-agent"}
        return auth_pb2.GetMeResponse(session_id=json.dumps(told))

    async def _ListPrices(self, _metadata: Any, _context: Any) -> Any:
        prices = [market_pb2.Price(symbol=f"S{number}") for number in range(200)]
        return market_pb2.ListPricesResponse(prices=prices)

    async def _GetCommodity(self, _metadata: Any, context: Any) -> Any:
        refusal = DomainError("NOT_FOUND", resource="commodity", id="TULIP")
        await context.abort_with_status(rpc_status.to_status(status_of(refusal)))

    async def _GetCalendar(self, _metadata: Any, context: Any) -> Any:
        refusal = DomainError("NOT_BUILT_YET", method="GetCalendar")
        await context.abort_with_status(rpc_status.to_status(status_of(refusal)))

    async def _WatchMarket(self, _metadata: Any) -> Any:
        for number in range(1, 4):
            update = market_pb2.MarketUpdate(sequence=number, heartbeat=True)
            yield market_pb2.WatchMarketResponse(updates=[update])

    async def _StreamMarketEvents(self, metadata: Any) -> Any:
        last = int(metadata.get("last-event-id", 100))
        for number in range(last + 1, last + 1 + EVENTS_A_TIME):
            head = "retry: 100\n" if number == last + 1 else ""
            event = f"{head}id: {number}\nevent: market\ndata: {number}\n\n"
            yield HttpBody(content_type="text/event-stream", data=event.encode())
            await asyncio.sleep(0.02)

    async def _StreamOrderEvents(self, metadata: Any) -> Any:
        event = f"id: 1\ndata: {metadata.get('x-stream-ticket', '')}\n\n"
        yield HttpBody(content_type="text/event-stream", data=event.encode())


async def _nothing() -> AsyncIterator[Any]:
    return
    yield


class Backend:
    """The server and its Envoy, on a loop of their own."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.grpc_port, rest_port, admin_port = free_ports(3)
        chosen = {"host": "127.0.0.1", "tokens": RULES, "logs_calls": True, **options}
        self.options = EdgeOptions(
            rest_port=rest_port,
            admin_port=admin_port,
            upstreams=(("127.0.0.1", self.grpc_port),),
            **chosen,
        )
        self.rest = f"http://127.0.0.1:{rest_port}"
        self.address = f"127.0.0.1:{rest_port}"
        self.folder = folder
        self._edge = Edge(self.options, folder)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: grpc.aio.Server | None = None

    def call(
        self, method: str, path: str, body: object = None, *, token: str = "", **headers: str
    ) -> Reply:
        """Calls REST."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["authorization"] = f"Bearer {token}"
        reply = httpx.request(method, self.rest + path, json=body, headers=sent, timeout=10)
        body = reply.json() if "json" in reply.headers.get("content-type", "") else {}
        return Reply(reply.status_code, body, dict(reply.headers))

    def start_server(self) -> None:
        """Starts the server."""
        self._run(self._start_server())

    def stop_server(self) -> None:
        """Ends the server and its calls at once."""
        assert self._server
        self._run(self._server.stop(0))

    def wait_for(self, status: int, path: str = "/livez") -> None:
        """Waits until a path is answered so."""
        self.wait_until(lambda: self.call("GET", path).status == status)

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Waits until something holds."""
        until = time.monotonic() + 15
        while not holds():
            assert time.monotonic() < until, "It never comes."
            time.sleep(0.05)

    @contextlib.contextmanager
    def running(self) -> Iterator["Backend"]:
        """Runs both for the length of a block."""
        self._thread.start()
        self.start_server()
        try:
            self._run(self._edge.start())
            yield self
        finally:
            self._run(self._edge.stop())
            self.stop_server()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _start_server(self) -> None:
        self._server = grpc.aio.server(
            options=[("grpc.max_receive_message_length", 16 * 1024 * 1024)]
        )
        self._server.add_generic_rpc_handlers((Answers(),))
        servicer = health.aio.HealthServicer()
        await servicer.set("", SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, self._server)
        self._server.add_insecure_port(f"127.0.0.1:{self.grpc_port}")
        await self._server.start()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)
