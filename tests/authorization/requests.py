"""Requests that fit: what the OpenAPI document shows of each method, and IDs put in."""

import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from authorization.declared import Declared, filled

ROOT: Final = Path(__file__).parents[2]
sys.path.append(str(ROOT / "scripts"))

from postman.samples import sample  # noqa: E402 - Beside the scripts.

_DOCUMENT: Final = json.loads((ROOT / "python_server/farmgate/health/openapi.json").read_text())
_SCHEMAS: Final = _DOCUMENT["components"]["schemas"]
_OPERATIONS: Final = {
    operation["operationId"]: (verb.upper(), path, operation)
    for path, operations in _DOCUMENT["paths"].items()
    for verb, operation in operations.items()
}
PDF: Final = b"%PDF-1.7 a page"


@dataclass
class Request:
    """A request, in both forms."""

    method: Declared
    verb: str = ""
    path: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    content: bytes | None = None

    def message(self) -> Message:
        """Returns it for gRPC."""
        made = GetMessageClass(self.method.descriptor.input_type)()
        told = {**self.query, **self.values}
        if isinstance(self.body, dict):
            told |= self.body
        json_format.ParseDict(told, made, ignore_unknown_fields=True)
        if self.content is not None:
            made.content.content_type = "application/pdf"
            made.content.data = self.content
        return made

    def rest(self) -> dict[str, Any]:
        """Returns it for REST."""
        names = set(re.findall(r"\{(\w+)", self.path))
        values = {name: str(value) for name, value in self.values.items() if name in names}
        sent: dict[str, Any] = {
            "method": self.verb,
            "url": filled(self.path, values),
            "params": {k: v for k, v in {**self.query, **self._unplaced(names)}.items() if v != ""},
        }
        if self.content is not None:
            sent |= {"content": self.content, "headers": {"content-type": "application/pdf"}}
        elif self.body is not None:
            sent["json"] = self.body
        return sent

    def _unplaced(self, placed: set[str]) -> dict[str, Any]:
        """Returns values that are neither in the path nor in the body."""
        if isinstance(self.body, dict):
            return {}
        return {name: value for name, value in self.values.items() if name not in placed}


def request(method: Declared, **values: Any) -> Request:
    """Returns a request of a method: what fits its schema, with these values instead."""
    service = method.descriptor.containing_service.name
    found = _OPERATIONS.get(f"{service}_{method.descriptor.name}")
    if found is None:
        return Request(method, values=values)
    verb, path, operation = found
    made = Request(method, verb, path)
    for one in operation.get("parameters", []):
        if "$ref" in one:
            continue
        if one["name"] in values:
            made.values[one["name"]] = values[one["name"]]
        elif one["in"] == "path":
            made.values[one["name"]] = str(sample(one["schema"], _SCHEMAS, one["name"]))
        elif one.get("required"):
            made.query[one["name"]] = str(sample(one["schema"], _SCHEMAS, one["name"]))
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        media = content["application/json"]
        example = media.get("examples", {}).get("example", {}).get("value")
        body = sample(media["schema"], _SCHEMAS, "") if example is None else dict(example)
        names = set(media["schema"].get("properties", {})) or set(body)
        told = body | {name: value for name, value in values.items() if name in names}
        made.body = {name: value for name, value in told.items() if value is not None}
    elif content:
        made.content = PDF
    return made


def ids_of(message: Descriptor, prefix: str = "", depth: int = 0) -> list[str]:
    """Returns the fields of a request that name something by its ID."""
    found = []
    for one in message.fields:
        inner = one.message_type
        if inner is not None:
            if depth < 4 and not inner.full_name.startswith("google."):
                found += ids_of(inner, f"{prefix}{one.name}.", depth + 1)
        elif one.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_UINT64} and re.search(
            r"(^|_)(ids?|cid)$", one.name
        ):
            found.append(prefix + one.name)
    return found
