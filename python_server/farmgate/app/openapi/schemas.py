"""Messages of the API as JSON Schemas, as Envoy's transcoder reads and writes them."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from buf.validate import validate_pb2
from farmgate.app.openapi.comments import example
from farmgate.rpc.methods import PREFIX

Schema = dict[str, Any]
_Kind: Final = FieldDescriptor

_WHOLE: Final[Mapping[int, Schema]] = {
    _Kind.TYPE_STRING: {"type": "string"},
    _Kind.TYPE_BOOL: {"type": "boolean"},
    _Kind.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    _Kind.TYPE_DOUBLE: {"type": "number", "format": "double"},
    _Kind.TYPE_FLOAT: {"type": "number", "format": "float"},
    _Kind.TYPE_INT32: {"type": "integer", "format": "int32"},
    _Kind.TYPE_SINT32: {"type": "integer", "format": "int32"},
    _Kind.TYPE_SFIXED32: {"type": "integer", "format": "int32"},
    _Kind.TYPE_UINT32: {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    _Kind.TYPE_FIXED32: {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    # A number of JSON loses digits beyond 2**53: 64 bits travel as text.
    _Kind.TYPE_INT64: {"type": "string", "format": "int64", "pattern": r"^-?\d{1,19}$"},
    _Kind.TYPE_SINT64: {"type": "string", "format": "int64", "pattern": r"^-?\d{1,19}$"},
    _Kind.TYPE_SFIXED64: {"type": "string", "format": "int64", "pattern": r"^-?\d{1,19}$"},
    _Kind.TYPE_UINT64: {"type": "string", "format": "uint64", "pattern": r"^\d{1,20}$"},
    _Kind.TYPE_FIXED64: {"type": "string", "format": "uint64", "pattern": r"^\d{1,20}$"},
}
_KNOWN: Final[Mapping[str, Schema]] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?\d+(\.\d+)?s$"},
    "google.protobuf.FieldMask": {
        "type": "string",
        "pattern": r"^[a-z0-9_.]*(,[a-z0-9_.]+)*$",
        "description": "Names of fields, separated by commas.",
    },
    "google.protobuf.Struct": {"type": "object"},
    "google.api.HttpBody": {"type": "string", "format": "binary"},
}
_RANGES: Final[Mapping[str, str]] = {
    "gt": "exclusiveMinimum",
    "gte": "minimum",
    "lt": "exclusiveMaximum",
    "lte": "maximum",
}


class Schemas:
    """Collects the schemas that operations refer to.

    Args:
        comments: Comments of the protos by full name.
    """

    def __init__(self, comments: Mapping[str, str]) -> None:
        self._comments = comments
        self.components: dict[str, Schema] = {}

    def message(self, descriptor: Descriptor) -> Schema:
        """Returns the reference to a message, whose schema is kept."""
        name = name_of(descriptor.full_name)
        if name not in self.components:
            # Kept before it is complete: a message may contain itself.
            schema = self.components[name] = {}
            schema |= self.properties(descriptor)
        return {"$ref": f"#/components/schemas/{name}"}

    def properties(self, descriptor: Descriptor, but: Collection[str] = ()) -> Schema:
        """Returns the schema of a message without some of its fields."""
        fields = [field for field in descriptor.fields if field.name not in but]
        schema: Schema = {"type": "object"}
        if comment := self._comments.get(descriptor.full_name):
            schema["description"] = comment
        schema["properties"] = {field.name: self.field(field) for field in fields}
        if needed := [field.name for field in fields if is_required(field)]:
            schema["required"] = needed
        return schema

    def field(self, field: FieldDescriptor) -> Schema:
        """Returns the schema of a field with its rules, words and example."""
        if _is_map(field):
            assert field.message_type is not None
            value = field.message_type.fields_by_name["value"]
            schema: Schema = {"type": "object", "additionalProperties": self._single(value)}
        elif field.is_repeated:
            items = self._single(field)
            repeated = _rules(field).repeated
            if repeated.HasField("items"):
                _apply(items, repeated.items)
            schema = {"type": "array", "items": items}
            if repeated.HasField("min_items"):
                schema["minItems"] = repeated.min_items
            if repeated.HasField("max_items"):
                schema["maxItems"] = repeated.max_items
        else:
            schema = self._single(field)
            _apply(schema, _rules(field))
        comment = self._comments.get(field.full_name, "")
        if not comment:
            return schema
        given = example(comment)
        if given is not None and schema.get("type") == "string":
            schema["examples"] = [given]
        return schema | {"description": comment}

    def enum(self, descriptor: EnumDescriptor) -> Schema:
        """Returns the reference to an enumeration, whose schema is kept."""
        name = name_of(descriptor.full_name)
        if name not in self.components:
            scope = descriptor.full_name
            words = [self._comments.get(scope, "")]
            words += [
                f"- `{value.name}`: {self._comments.get(f'{scope}.{value.name}', '')}"
                for value in descriptor.values
            ]
            self.components[name] = {
                "type": "string",
                "enum": [value.name for value in descriptor.values],
                "description": "\n".join(words),
            }
        return {"$ref": f"#/components/schemas/{name}"}

    def _single(self, field: FieldDescriptor) -> Schema:
        """Returns the schema of one value of a field."""
        if field.enum_type is not None:
            return self.enum(field.enum_type)
        if field.message_type is not None:
            known = _KNOWN.get(field.message_type.full_name)
            return dict(known) if known else self.message(field.message_type)
        return dict(_WHOLE[field.type])


def name_of(full_name: str) -> str:
    """Returns the name of a component: `users.v1.Farm` is `users_Farm`."""
    module, _, rest = full_name.removeprefix(PREFIX).partition(".v1.")
    return f"{module}_{rest}".replace(".", "_") if rest else full_name.replace(".", "_")


def is_required(field: FieldDescriptor) -> bool:
    """Tells whether a request without the field is refused for it."""
    rules = _rules(field)
    if field.is_repeated:
        return rules.repeated.min_items > 0
    if rules.required:
        return True
    text = rules.string
    numbers: Message | None = _numbers(rules)
    return (
        text.min_len > 0
        or text.len > 0
        or 0 in rules.enum.not_in
        or (numbers is not None and _excludes_zero(numbers))
    )


def _excludes_zero(numbers: Message) -> bool:
    fields = numbers.DESCRIPTOR.fields_by_name
    above: list[tuple[str, Callable[[int], bool]]] = [
        ("gt", lambda limit: limit >= 0),
        ("gte", lambda limit: limit > 0),
    ]
    return any(
        name in fields and numbers.HasField(name) and excludes(getattr(numbers, name))
        for name, excludes in above
    )


def _rules(field: FieldDescriptor) -> validate_pb2.FieldRules:
    return field.GetOptions().Extensions[validate_pb2.field]


def _numbers(rules: validate_pb2.FieldRules) -> Message | None:
    kind = rules.WhichOneof("type")
    if kind is None or not kind.startswith(("int", "uint", "sint", "fixed", "double", "float")):
        return None
    numbers: Message = getattr(rules, kind)
    return numbers


def _apply(schema: Schema, rules: validate_pb2.FieldRules) -> None:
    """Adds the rules of a value to its schema."""
    if rules.WhichOneof("type") == "string":
        _apply_text(schema, rules.string)
        return
    numbers = _numbers(rules)
    if numbers is None:
        return
    limits = {
        word: getattr(numbers, rule) for rule, word in _RANGES.items() if numbers.HasField(rule)
    }
    if schema["type"] != "string":
        schema |= limits
        return
    # JSON Schema has no range for text that is a number.
    schema |= {f"x-{word}": str(limit) for word, limit in limits.items()}
    if limits.get("exclusiveMinimum", -1) >= 0 or limits.get("minimum", 0) > 0:
        schema["pattern"] = r"^[1-9]\d{0,18}$"
    elif limits.get("minimum") == 0:
        schema["pattern"] = r"^\d{1,19}$"


def _apply_text(schema: Schema, rules: validate_pb2.StringRules) -> None:
    if rules.HasField("len"):
        schema["minLength"] = schema["maxLength"] = rules.len
    if rules.HasField("min_len"):
        schema["minLength"] = rules.min_len
    if rules.HasField("max_len"):
        schema["maxLength"] = rules.max_len
    if rules.HasField("pattern"):
        schema["pattern"] = rules.pattern
    if rules.email:
        schema["format"] = "email"
    if rules.uri:
        schema["format"] = "uri"


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry
