"""The channel, who is signed in on it, and how calls are sent again."""

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, Self

import grpc

from farmgate.api.auth.v1 import auth_pb2, auth_pb2_grpc
from farmgate.client.errors import UnavailableError, error_of

_ATTEMPTS_MAX: Final = 6
_WAIT_FIRST_S: Final = 0.1
_WAIT_MAX_S: Final = 5.0
_TIMEOUT_S: Final = 15.0
# Before it ends a token is renewed.
_MARGIN_S: Final = 30.0
_MESSAGE_BYTES_MAX: Final = 16 << 20
_OPTIONS: Final = (("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),)


class Connection:
    """A channel to the exchange, signed in or not.

    Args:
        address: Host and port of the gRPC server.
        tls: Credentials, such as `grpc.ssl_channel_credentials()`; None for a server without TLS.
        api_key: An API key instead of signing in; empty for none.
        timeout_s: How long a call may take.
    """

    def __init__(
        self, address: str, *, tls: grpc.ChannelCredentials | None = None, api_key: str = "",
        timeout_s: float = _TIMEOUT_S,
    ) -> None:  # fmt: skip
        self.channel = (
            grpc.aio.secure_channel(address, tls, options=_OPTIONS)
            if tls
            else grpc.aio.insecure_channel(address, options=_OPTIONS)
        )
        self._token = api_key
        self._refresh_token = ""
        self._ends_at = float("inf")
        self._timeout_s = timeout_s
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Returns itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes the channel."""
        await self.close()

    async def close(self) -> None:
        """Closes the channel; the session stays."""
        await self.channel.close()

    @property
    def tokens(self) -> tuple[str, str]:
        """Access token and refresh token, to be kept; empty before signing in."""
        return self._token, self._refresh_token

    async def login(self, email: str, password: str, mfa_code: str = "") -> Any:
        """Signs in; returns the user.

        Raises:
            FarmgateError: `InvalidCredentials`, `MfaRequired` and others.
        """
        stub = auth_pb2_grpc.AuthServiceStub(self.channel)
        request = auth_pb2.LoginRequest(email=email, password=password, mfa_code=mfa_code)
        reply = await self.call(stub.Login, request)
        self._keep(reply)
        return reply.user

    async def resume(self, refresh_token: str) -> Any:
        """Goes on with a session; returns the user.

        Raises:
            FarmgateError: The session is over.
        """
        self._refresh_token = refresh_token
        return await self._refresh()

    async def logout(self) -> None:
        """Ends the session."""
        stub = auth_pb2_grpc.AuthServiceStub(self.channel)
        await self.call(stub.Logout, auth_pb2.LogoutRequest())
        self._token = self._refresh_token = ""

    async def call(self, method: Callable[..., Any], request: Any) -> Any:
        """Calls a unary method; while the exchange can't be reached the call is sent again.

        A call that changes something carries a key of its own, so that a repeat changes nothing.

        Raises:
            FarmgateError: It was refused, or the exchange could not be reached.
        """
        key = ("idempotency-key", uuid.uuid4().hex)

        async def attempt() -> Any:
            metadata = (*await self.metadata(), key)
            return await method(request, metadata=metadata, timeout=self._timeout_s)

        return await self._retried(attempt)

    async def stream(self, method: Callable[..., Any], request: Any) -> AsyncIterator[Any]:
        """Yields the messages of a stream.

        Raises:
            FarmgateError: It was refused or broke off.
        """
        try:
            async for message in method(request, metadata=await self.metadata()):
                yield message
        except grpc.aio.AioRpcError as error:
            raise error_of(error) from error

    async def metadata(self) -> tuple[tuple[str, str], ...]:
        """Returns what a call carries; renews a token that ends soon."""
        if self._refresh_token and time.monotonic() > self._ends_at - _MARGIN_S:
            async with self._lock:
                # Another call may have renewed it while this one waited.
                if time.monotonic() > self._ends_at - _MARGIN_S:
                    await self._refresh()
        return (("authorization", f"Bearer {self._token}"),) if self._token else ()

    async def _refresh(self) -> Any:
        stub = auth_pb2_grpc.AuthServiceStub(self.channel)
        request = auth_pb2.RefreshRequest(refresh_token=self._refresh_token)
        try:
            # Never sent again: a token that comes twice ends the session.
            reply = await stub.Refresh(request, timeout=self._timeout_s)
        except grpc.aio.AioRpcError as error:
            raise error_of(error) from error
        self._keep(reply)
        return reply.user

    def _keep(self, reply: Any) -> None:
        self._token, self._refresh_token = reply.access_token, reply.refresh_token
        self._ends_at = time.monotonic() + reply.expires_in_s

    async def _retried(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        for number in range(_ATTEMPTS_MAX):
            try:
                return await attempt()
            except grpc.aio.AioRpcError as error:
                found = error_of(error)
                is_last = number == _ATTEMPTS_MAX - 1
                if is_last or not isinstance(found, UnavailableError):
                    raise found from error
                await asyncio.sleep(found.retry_after_s or waiting_s(number))
        raise AssertionError("The last attempt returns or raises.")


def waiting_s(number: int) -> float:
    """Returns how long to wait after so many attempts that failed: doubled, spread evenly."""
    spread = random.uniform(0.5, 1.0)  # noqa: S311 - It hides nothing.
    return min(_WAIT_MAX_S, _WAIT_FIRST_S * float(1 << number)) * spread
