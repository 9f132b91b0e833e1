"""The two faces of the exchange, gRPC and REST, behind one call."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import httpx
from google.api import annotations_pb2
from google.api.httpbody_pb2 import HttpBody
from google.protobuf import json_format

from farmgate.rpc.methods import Method, all_methods
from support import refusal_of

TIMEOUT_S = 30.0
METHODS = all_methods()
_IN_PATH = re.compile(r"\{(\w+)\}")


class RefusedError(Exception):
    """The exchange refused a call; the same on both faces."""

    def __init__(self, code: str, reason: str, metadata: Mapping[str, str]) -> None:
        super().__init__(f"{code} {reason} {dict(metadata)}")
        self.code = code
        self.reason = reason
        self.metadata = dict(metadata)


class Face(Protocol):
    """Calls the exchange."""

    name: str

    def call(self, name: str, token: str = "", key: str = "", /, **fields: Any) -> Any:
        """Calls a method with fields as JSON writes them; returns its response message."""


def method(name: str) -> Method:
    """Returns the one method of a name, such as "SignContract" or "WalletService.GetBalances"."""
    service, _, last = name.rpartition(".")
    (found,) = [
        one
        for one in METHODS.values()
        if one.name == last and one.service.rpartition(".")[2].startswith(service)
    ]
    return found


def reason_of(face: Face, name: str, token: str = "", /, **fields: Any) -> str:
    """Returns why a call is refused, or ""."""
    try:
        face.call(name, token, **fields)
    except RefusedError as refusal:
        return refusal.reason
    return ""


@dataclass
class Grpc:
    """The exchange as clients with generated code see it."""

    channel: grpc.Channel
    name: str = "grpc"

    def call(self, name: str, token: str = "", key: str = "", /, **fields: Any) -> Any:
        """Calls a method."""
        called = method(name)
        request = json_format.ParseDict(fields, called.request())
        kind = self.channel.unary_stream if called.server_streaming else self.channel.unary_unary
        stub = kind(
            called.path,
            request_serializer=called.request.SerializeToString,
            response_deserializer=called.response.FromString,
        )
        metadata = list(_headers(token, key).items())
        try:
            answer = stub(request, metadata=metadata, timeout=TIMEOUT_S)
            return _joined(answer) if called.server_streaming else answer
        except grpc.RpcError as error:
            if not dict(tuple(error.trailing_metadata() or ())).get("grpc-status-details-bin"):
                # Nobody answered: no refusal of the exchange.
                raise RefusedError(error.code().name, "", {}) from error
            refusal = refusal_of(error)
            raise RefusedError(refusal.code.name, refusal.reason, refusal.metadata) from error


@dataclass
class Rest:
    """The exchange as the web sees it: JSON through Envoy, by the paths of the protos."""

    client: httpx.Client
    name: str = "rest"

    def call(self, name: str, token: str = "", key: str = "", /, **fields: Any) -> Any:
        """Calls a method."""
        called = method(name)
        service = called.request.DESCRIPTOR.file.pool.FindServiceByName(called.service)
        http = service.methods_by_name[called.name].GetOptions().Extensions[annotations_pb2.http]
        verb = http.WhichOneof("pattern")
        # What is no request is found out here, and not by the exchange.
        json_format.ParseDict(fields, called.request())
        left = dict(fields)
        path = _IN_PATH.sub(lambda part: str(left.pop(part[1])), getattr(http, verb))
        sent = {"json": left} if http.body else {"params": left}
        reply = self.client.request(verb.upper(), path, headers=_headers(token, key), **sent)
        if reply.status_code != httpx.codes.OK:
            raise _refusal_in(reply)
        if called.response is HttpBody:
            return HttpBody(content_type=reply.headers["content-type"], data=reply.content)
        return json_format.Parse(reply.content, called.response())


def _joined(parts: Iterable[HttpBody]) -> HttpBody:
    """Returns a document that comes in parts."""
    come = list(parts)
    return HttpBody(content_type=come[0].content_type, data=b"".join(part.data for part in come))


def _refusal_in(reply: httpx.Response) -> RefusedError:
    body = reply.json()
    infos = [detail for detail in body["details"] if detail["@type"].endswith("ErrorInfo")]
    assert len(infos) == 1, body
    code = next(code.name for code in grpc.StatusCode if code.value[0] == body["code"])
    return RefusedError(code, infos[0]["reason"], infos[0].get("metadata", {}))


def _headers(token: str, key: str) -> dict[str, str]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return headers | ({"idempotency-key": key} if key else {})
