"""REST paths as operations of an OpenAPI document."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from google.api import annotations_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from farmgate.app.edge.descriptors import Binding
from farmgate.app.openapi.examples import REQUESTS
from farmgate.app.openapi.schemas import Schema, Schemas, is_required
from farmgate.rpc.methods import PREFIX, role_names

_VARIABLE: Final = re.compile(r"\{([^}=]+)(?:=[^}]*)?\}")
_HTTP_BODY: Final = "google.api.HttpBody"
# Streams for EventSource are under it.
_EVENTS: Final = "/v1/events/"
# What the body of a download may be; anything, where it is not listed.
_DOWNLOADS: Final[Mapping[str, tuple[str, ...]]] = {
    "GetOpenApi": ("application/json",),
    "GetJwks": ("application/json",),
    "GetDocs": ("text/html", "text/css", "text/javascript", "image/png"),
    "GetForecastChart": ("image/svg+xml",),
    "RenderDocument": ("application/pdf", "application/json"),
    "ExportAuditLogs": ("text/csv", "application/x-ndjson"),
    "DownloadJournal": ("application/x-ndjson",),
}
# Refusals by HTTP status; the reasons are in the error page.
_ALWAYS: Final = ("400", "404", "413", "429", "500", "501", "503", "504")


def operation(binding: Binding, schemas: Schemas, comments: Mapping[str, str], *, nth: int) -> Any:
    """Returns the operation of a REST path.

    Args:
        binding: The path.
        schemas: Where messages go.
        comments: Comments of the protos.
        nth: Which of the paths of its method it is, from 0.
    """
    method = binding.method
    name = method.full_name.replace("/", ".")
    words = comments.get(name, method.name)
    service = method.service.rpartition(".")[2]
    made: dict[str, Any] = {
        "operationId": f"{service}_{method.name}" + (f"_{nth + 1}" if nth else ""),
        "tags": [service],
        "summary": words.split(". ")[0].split("\n")[0].rstrip("."),
        "description": f"{words}\n\n{_who(binding)} gRPC: `{method.full_name}`.",
        "security": _security(binding),
    }
    if parameters := list(_parameters(binding, schemas)):
        made["parameters"] = parameters
    if body := _body(binding, schemas):
        made["requestBody"] = body
    made["responses"] = _responses(binding, schemas)
    return made


def variables(path: str) -> list[str]:
    """Returns the names of the variables of a path."""
    return _VARIABLE.findall(path)


def plain(path: str) -> str:
    """Returns a path with the bare names of its variables."""
    return _VARIABLE.sub(r"{\1}", path)


def _who(binding: Binding) -> str:
    rule = binding.method.rule
    if rule.is_public:
        return "Anyone may call it."
    names = role_names()
    roles = ", ".join(names[role].replace("_", " ").lower() for role in sorted(rule.roles))
    words = f"For roles {roles}" if roles else "For everybody who is signed in"
    if rule.kyc_level_min:
        words += f", from KYC level {rule.kyc_level_min}"
    return f"{words}."


def _security(binding: Binding) -> list[dict[str, list[str]]]:
    rule = binding.method.rule
    if rule.is_public:
        return []
    schemes: list[dict[str, list[str]]] = [{"bearer": []}]
    if rule.accepts_stream_ticket:
        schemes.append({"streamTicket": []})
    return schemes


def _body_field(binding: Binding) -> str:
    """Returns the field that the body holds, "*" for all, "" for none."""
    descriptor = _method_descriptor(binding)
    rule = descriptor.GetOptions().Extensions[annotations_pb2.http]
    for one in (rule, *rule.additional_bindings):
        if getattr(one, one.WhichOneof("pattern") or "get") == binding.path:
            return str(one.body)
    return ""


def _request(binding: Binding) -> Descriptor:
    descriptor: Any = binding.method.request.DESCRIPTOR
    assert isinstance(descriptor, Descriptor)
    return descriptor


def _response(binding: Binding) -> Descriptor:
    descriptor: Any = binding.method.response.DESCRIPTOR
    assert isinstance(descriptor, Descriptor)
    return descriptor


def _method_descriptor(binding: Binding) -> Any:
    file = binding.method.request.DESCRIPTOR.file
    service = file.services_by_name[binding.method.service.rpartition(".")[2]]
    return service.methods_by_name[binding.method.name]


def _parameters(binding: Binding, schemas: Schemas) -> Iterator[Schema]:
    in_path = variables(binding.path)
    request = _request(binding)
    for name in in_path:
        schema = schemas.field(request.fields_by_name[name])
        yield _parameter(name, "path", schema, is_needed=True)
    body = _body_field(binding)
    if body != "*":
        done = {*in_path, body}
        for field in request.fields:
            if field.name not in done:
                yield from _query(field, schemas, "")
    if binding.method.rule.keeps_replies or binding.method.rule.is_core_kept:
        yield {"$ref": "#/components/parameters/IdempotencyKey"}
    if binding.is_stream and binding.is_http_body and binding.method.rule.accepts_stream_ticket:
        yield {"$ref": "#/components/parameters/LastEventId"}


def _query(field: FieldDescriptor, schemas: Schemas, scope: str) -> Iterator[Schema]:
    name = f"{scope}{field.name}"
    message = field.message_type
    if message is not None and message.full_name.startswith(PREFIX) and not field.is_repeated:
        for inner in message.fields:
            yield from _query(inner, schemas, f"{name}.")
        return
    yield _parameter(name, "query", schemas.field(field), is_needed=is_required(field))


def _parameter(name: str, place: str, schema: Schema, *, is_needed: bool) -> Schema:
    made: Schema = {"name": name, "in": place, "schema": schema}
    if words := schema.pop("description", ""):
        made["description"] = words
    if is_needed:
        made["required"] = True
    return made


def _body(binding: Binding, schemas: Schemas) -> Schema | None:
    field_name = _body_field(binding)
    if not field_name:
        return None
    request = _request(binding)
    if field_name == "*":
        in_path = variables(binding.path)
        whole = not in_path
        schema = schemas.message(request) if whole else schemas.properties(request, but=in_path)
    else:
        field = request.fields_by_name[field_name]
        if field.message_type is not None and field.message_type.full_name == _HTTP_BODY:
            return {"required": True, "content": {"application/octet-stream": {"schema": {}}}}
        schema = schemas.field(field)
    content: Schema = {"schema": schema}
    if example := REQUESTS.get(binding.method.name):
        content["examples"] = {"example": {"value": example}}
    return {"required": True, "content": {"application/json": content}}


def _responses(binding: Binding, schemas: Schemas) -> Schema:
    codes = list(_ALWAYS)
    if not binding.method.rule.is_public or binding.method.service.endswith("AuthService"):
        codes += ["401", "403"]
    if variables(binding.path) or binding.method.rule.mutates:
        codes.append("409")
    made: Schema = {"200": _success(binding, schemas)}
    made |= {code: {"$ref": f"#/components/responses/Error{code}"} for code in sorted(set(codes))}
    return made


def _success(binding: Binding, schemas: Schemas) -> Schema:
    if binding.is_http_body:
        kinds = _DOWNLOADS.get(binding.method.name, ("*/*",))
        if binding.path.startswith(_EVENTS):
            kinds = ("text/event-stream",)
        return {"description": "The content.", "content": {kind: _raw(kind) for kind in kinds}}
    schema = schemas.message(_response(binding))
    if binding.is_stream:
        return {
            "description": "Messages, one a line, or as events where they are accepted.",
            "content": {
                "application/x-ndjson": {"schema": schema},
                "text/event-stream": {"schema": {"type": "string"}},
            },
        }
    return {"description": "The answer.", "content": {"application/json": {"schema": schema}}}


def _raw(kind: str) -> Schema:
    return {"schema": {"type": "object"} if kind == "application/json" else {}}
