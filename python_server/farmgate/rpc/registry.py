"""Joins servicers to the methods of the API, once, when the server starts."""

import inspect
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, ClassVar, Final

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from farmgate.errors import DomainError
from farmgate.rpc import refusals
from farmgate.rpc.call import Call
from farmgate.rpc.interceptors import Collaborators, Context, Endpoint, Handler
from farmgate.rpc.methods import DescriptorError, Method, all_methods
from farmgate.rpc.shapes import Function

# A request is a form a person filled in; what is larger says so in REQUEST_BYTES_MAX.
REQUEST_BYTES_MAX: Final = 64 * 1024


class Servicer:
    """Base of the servicers.

    A servicer has an asynchronous method per RPC it implements, under the RPC's name, which takes
    the request (an asynchronous iterator of them when the caller streams) and the `Call`, and
    returns the reply (or is an asynchronous generator of replies).

    Attributes:
        SERVICE: The service in the API's descriptors.
        RAW_METHODS: RPCs whose method takes the bytes of requests and gives the bytes of replies.
            The method itself refuses malformed bytes. Its calls are counted, and not logged.
        QUIET_METHODS: Further RPCs whose calls are counted and not logged.
        REQUEST_BYTES_MAX: Sizes of the largest request messages, where 64 KiB do not do.
    """

    SERVICE: ClassVar[ServiceDescriptor]
    RAW_METHODS: ClassVar[frozenset[str]] = frozenset()
    QUIET_METHODS: ClassVar[frozenset[str]] = frozenset()
    REQUEST_BYTES_MAX: ClassVar[Mapping[str, int]] = {}


class Router(grpc.GenericRpcHandler):
    """Finds the handler of a call by its path: one dictionary, built when the server starts.

    Args:
        servicers: The servicers.
        with_: What the chain works with.
        methods: The methods of the API, by path; those of its descriptors when None.

    Raises:
        DescriptorError: A method lacks its access rule, or a servicer does not fit its service.
    """

    def __init__(
        self,
        servicers: Iterable[Servicer],
        with_: Collaborators,
        methods: Mapping[str, Method] | None = None,
    ) -> None:
        known = all_methods() if methods is None else methods
        by_service: dict[str, Servicer] = {}
        for servicer in servicers:
            name = servicer.SERVICE.full_name
            if name in by_service:
                raise DescriptorError(f"{name} has two servicers.")
            _check_names(servicer, known)
            by_service[name] = servicer
        self._handlers: dict[str, Handler] = {
            path: _endpoint(method, by_service.get(method.service), with_).handler()
            for path, method in known.items()
        }

    @property
    def paths(self) -> frozenset[str]:
        """Returns the paths that are answered."""
        return frozenset(self._handlers)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        """Returns the handler of a call."""
        path = handler_call_details.method
        assert isinstance(path, str), "grpc.aio names methods by text."
        return self._handlers.get(path) or _unknown(path)


def _endpoint(method: Method, servicer: Servicer | None, with_: Collaborators) -> Endpoint:
    function = getattr(servicer, method.name, None)
    if servicer is None or function is None:
        return Endpoint(
            with_, method, _not_built(method), is_raw=True, is_quiet=False,
            bytes_max=REQUEST_BYTES_MAX,
        )  # fmt: skip
    _check_shape(method, function)
    is_raw = method.name in servicer.RAW_METHODS
    return Endpoint(
        with_,
        method,
        function,
        is_raw=is_raw,
        is_quiet=is_raw or method.name in servicer.QUIET_METHODS,
        bytes_max=servicer.REQUEST_BYTES_MAX.get(method.name, REQUEST_BYTES_MAX),
    )


def _check_names(servicer: Servicer, known: Mapping[str, Method]) -> None:
    service = servicer.SERVICE.full_name
    named = {
        name
        for name, _ in inspect.getmembers(type(servicer), inspect.isfunction)
        if name[0].isupper()
    }
    named |= servicer.RAW_METHODS | servicer.QUIET_METHODS | set(servicer.REQUEST_BYTES_MAX)
    unknown = sorted(name for name in named if f"/{service}/{name}" not in known)
    if unknown:
        raise DescriptorError(f"{service} has no method {', '.join(unknown)}.")


def _check_shape(method: Method, function: Function) -> None:
    fits = inspect.isasyncgenfunction if method.server_streaming else inspect.iscoroutinefunction
    if not fits(function):
        kind = "an asynchronous generator" if method.server_streaming else "a coroutine function"
        raise DescriptorError(f"{method.full_name} must be {kind}.")


def _not_built(method: Method) -> Function:
    refusal_values = {"method": method.full_name}

    async def one(_request: Any, _call: Call) -> bytes:
        raise DomainError("NOT_BUILT_YET", **refusal_values)

    async def many(_request: Any, _call: Call) -> AsyncIterator[bytes]:
        raise DomainError("NOT_BUILT_YET", **refusal_values)
        yield b""  # type: ignore[unreachable]  # Makes it a generator.

    return many if method.server_streaming else one


def _unknown(path: str) -> Handler:
    async def refuse(_requests: AsyncIterator[bytes], context: Context) -> None:
        refusal = DomainError("METHOD_UNKNOWN", method=path.removeprefix("/"))
        await refusals.abort(context, refusal, "")

    # Fits callers of all four shapes: it reads nothing and refuses.
    return grpc.stream_stream_rpc_method_handler(refuse)
