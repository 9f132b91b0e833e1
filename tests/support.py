"""What tests share: a client over a real channel, and fakes of what lies below."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from sqlalchemy import select, table, text

from farmgate.api.auth.v1 import auth_pb2, auth_pb2_grpc
from farmgate.api.health.v1 import health_pb2_grpc
from farmgate.api.trading.v1 import trading_pb2_grpc
from farmgate.api.types.v1 import types_pb2
from farmgate.api.users.v1 import users_pb2_grpc
from farmgate.app.application import Application
from farmgate.errors import DomainError
from farmgate.trading.service import TradingServicer

PASSWORD = "seven green tractors"
TIMEOUT_S = 20.0


@dataclass
class FakeAccounts:
    """Numbers accounts from 1, one number an account; refuses when told to."""

    numbers: dict[bytes, int] = field(default_factory=dict)
    refusal: DomainError | None = None

    async def open_account(self, account_id: bytes) -> int:
        if self.refusal:
            raise self.refusal
        return self.numbers.setdefault(account_id, len(self.numbers) + 1)


@dataclass
class Refusal:
    """A refusal as a caller sees it."""

    code: grpc.StatusCode
    reason: str
    metadata: dict[str, str]
    message: str
    status: Status
    request_id: str


def refusal_of(error: grpc.RpcError) -> Refusal:
    """Returns the refusal; every one has exactly one ErrorInfo of our domain."""
    trailers = dict(tuple(error.trailing_metadata() or ()))
    details = trailers.get("grpc-status-details-bin")
    assert details is not None, f"No details: {error.code()} {error.details()}"
    status = Status.FromString(details)
    infos = []
    for detail in status.details:
        info = ErrorInfo()
        if detail.Unpack(info):
            infos.append(info)
    assert len(infos) == 1
    assert infos[0].domain == "farmgate"
    assert status.message == error.details()
    return Refusal(
        error.code(), infos[0].reason, dict(infos[0].metadata), status.message, status,
        trailers["x-request-id"],
    )  # fmt: skip


async def refused(call: Awaitable[Any]) -> Refusal:
    """Returns how a call was refused; fails when it was not."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return refusal_of(error)
    raise AssertionError(f"Not refused: {answer}")


@dataclass
class SignedIn:
    """A person who signed in over the API."""

    user: Any
    tokens: auth_pb2.LoginResponse

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return bearer(self.tokens.access_token)


async def move_outside(api: "Api", who: SignedIn, asset: str, amount_minor: int) -> None:
    """Moves an amount in from outside, or out when negative, whatever levels and receipts say."""
    base = api.application.base
    user_id = who.tokens.user.user_id
    user = await base.database.read(lambda tx: base.users.by_id(tx, user_id))
    assert user is not None
    assert user.account_number is not None
    trading = next(one for one in api.application.servicers if isinstance(one, TradingServicer))
    matching = trading._matching
    number = matching.assets().index(asset) + 1
    await matching.transfer(user.account_number, number, amount_minor, b"")
    await matching.caught_up()


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


class Api:
    """Stubs over one channel, and people who use them."""

    def __init__(self, channel: grpc.aio.Channel, application: Application) -> None:
        self.channel = channel
        self.application = application
        self.auth: Any = auth_pb2_grpc.AuthServiceStub(channel)
        self.users: Any = users_pb2_grpc.UserServiceStub(channel)
        self.wallet: Any = users_pb2_grpc.WalletServiceStub(channel)
        self.health: Any = health_pb2_grpc.HealthServiceStub(channel)
        self.trading: Any = trading_pb2_grpc.TradingServiceStub(channel)
        self._people_count = 0

    async def register(self, **given: Any) -> Any:
        """Registers somebody, each from an address of their own."""
        self._people_count += 1
        values = {
            "email": f"person{self._people_count}@example.com",
            "password": PASSWORD,
            "display_name": "Amara Okafor",
            "role": types_pb2.ROLE_FARMER,
            **given,
        }
        answer = await self.auth.Register(
            auth_pb2.RegisterRequest(**values),
            metadata=(("x-forwarded-for", f"203.0.113.{self._people_count % 250}"),),
            timeout=TIMEOUT_S,
        )
        return answer.user

    async def log_in(self, email: str, password: str = PASSWORD, **given: Any) -> Any:
        request = auth_pb2.LoginRequest(email=email, password=password, **given)
        return await self.auth.Login(request, timeout=TIMEOUT_S)

    async def person(self, **given: Any) -> SignedIn:
        """Registers somebody and signs in."""
        user = await self.register(**given)
        return SignedIn(user, await self.log_in(user.email))

    async def me(self, access_token: str) -> Any:
        return await self.auth.GetMe(
            auth_pb2.GetMeRequest(), metadata=bearer(access_token), timeout=TIMEOUT_S
        )

    async def refresh(self, refresh_token: str) -> Any:
        request = auth_pb2.RefreshRequest(refresh_token=refresh_token)
        return await self.auth.Refresh(request, timeout=TIMEOUT_S)

    async def raw(self, path: str, data: bytes = b"", **given: Any) -> bytes:
        """Calls a method with bytes."""
        return await self.channel.unary_unary(path)(data, timeout=TIMEOUT_S, **given)


def written(api: Api, *tables: str) -> str:
    """Returns all that tables hold, as text to look for secrets in."""
    with api.application.base.database.engine.connect() as connection:
        queries = [select(text("*")).select_from(table(name)) for name in tables]
        return repr([connection.execute(query).all() for query in queries])


@asynccontextmanager
async def running(application: Application) -> AsyncIterator[Api]:
    """Runs an application and gives a client of it."""
    await application.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{application.grpc_port}") as channel:
            yield Api(channel, application)
    finally:
        await application.stop()
