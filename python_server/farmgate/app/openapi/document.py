"""The whole OpenAPI document."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from farmgate.app.edge.descriptors import bindings
from farmgate.app.openapi.operations import operation, plain
from farmgate.app.openapi.schemas import Schemas

_ABOUT: Final = """\
The API of Farmgate, an exchange for agricultural commodities.

**Signing in.** `POST /v1/auth/login` gives an access token of 15 minutes; send it as \
`Authorization: Bearer …`. On this page a successful login signs the page in as well. \
`POST /v1/auth/refresh` gives the next pair of tokens.

**Repeats.** Every call that changes something takes an `Idempotency-Key`: the same key gives the \
same answer for 24 hours, and nothing happens twice. Orders have their `client_order_id` as well.

**Refusals.** Every refusal is a `google.rpc.Status` with one `ErrorInfo`, whose `reason` is \
stable and whose `metadata` has each value that the message mentions.

**Numbers.** Prices, quantities and money are decimal text; 64-bit integers are text as well.

**Lists** are read page by page: send `next_page_token` as `page_token` until it is empty.

**Streams** answer as JSON lines, and to `Accept: text/event-stream` as events. Those under \
`/v1/events/` are for `EventSource`: they take a ticket of `POST /v1/auth/stream-ticket` as \
`?ticket=`, and go on after `Last-Event-ID`.
"""
_REFUSALS: Final[Mapping[str, str]] = {
    "400": "The request is not right, or not possible in the present state.",
    "401": "Nobody is signed in, or the token is no longer good.",
    "403": "The caller may not do this.",
    "404": "There is no such thing, or it is somebody else's.",
    "409": "It conflicts with what is there: exists already, changed meanwhile, key used before.",
    "413": "The request is too large.",
    "429": "Too many calls; `Retry-After` tells how long to wait.",
    "500": "A fault of the server; tell its operator the request ID.",
    "501": "It is published and not built yet.",
    "503": "It can't be answered now; repeat it with the same idempotency key.",
    "504": "The deadline passed; repeat it with the same idempotency key to learn the outcome.",
}


def render(comments: Mapping[str, str], *, version: str) -> str:
    """Returns the document as JSON text, always the same for the same API.

    Args:
        comments: Comments of the protos by full name.
        version: Version of the API.
    """
    return json.dumps(document(comments, version=version), indent=1, ensure_ascii=False) + "\n"


def document(comments: Mapping[str, str], *, version: str) -> dict[str, Any]:
    """Returns the document as plain values."""
    schemas = Schemas(comments)
    paths: dict[str, dict[str, Any]] = {}
    seen: Counter[str] = Counter()
    services: dict[str, str] = {}
    for binding in bindings():
        name = binding.method.full_name
        made = operation(binding, schemas, comments, nth=seen[name])
        seen[name] += 1
        paths.setdefault(plain(binding.path), {})[binding.verb.lower()] = made
        service = binding.method.service
        services[service.rpartition(".")[2]] = comments.get(service, service)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Farmgate",
            "version": version,
            "summary": "An exchange for agricultural commodities",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "contact": {"name": "Farmgate", "url": "https://farmgate.example"},
        },
        "servers": [{"url": "/", "description": "The server of this page"}],
        "tags": [{"name": name, "description": services[name]} for name in sorted(services)],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted((schemas.components | _errors()).items())),
            "responses": {f"Error{code}": _refusal(words) for code, words in _REFUSALS.items()},
            "parameters": _parameters(),
            "securitySchemes": _schemes(),
        },
    }


def _refusal(words: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _errors() -> dict[str, Any]:
    detail = {
        "type": "object",
        "description": "One of ErrorInfo, BadRequest and RetryInfo of google.rpc.",
        "properties": {
            "@type": {"type": "string"},
            "reason": {"type": "string", "description": "The stable reason."},
            "domain": {"type": "string"},
            "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "required": ["@type"],
    }
    error = {
        "type": "object",
        "description": "A refusal: google.rpc.Status.",
        "properties": {
            "code": {"type": "integer", "description": "Code of gRPC."},
            "message": {"type": "string", "description": "What is wrong, in words."},
            "details": {"type": "array", "items": detail},
        },
        "required": ["code", "message"],
    }
    return {"Error": error}


def _parameters() -> dict[str, Any]:
    return {
        "IdempotencyKey": {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Chosen by the caller; a repeat with it gets the first answer.",
            "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
            "example": "5b0c1f3e-2f0e-4a38-9a06-1d5f3f0a7f11",
        },
        "LastEventId": {
            "name": "Last-Event-ID",
            "in": "header",
            "description": "ID of the last event that was seen; the stream goes on after it.",
            "schema": {"type": "string", "maxLength": 64},
        },
    }


def _schemes() -> dict[str, Any]:
    return {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The access token of `POST /v1/auth/login`.",
        },
        "streamTicket": {
            "type": "apiKey",
            "in": "query",
            "name": "ticket",
            "description": "The ticket of `POST /v1/auth/stream-ticket`, good for one stream.",
        },
    }
