"""Values that fit the schemas of requests."""

import re
from collections.abc import Mapping
from typing import Any, Final

# The first that fits a pattern is taken.
_TEXTS: Final = (
    "example",
    "1",
    "4.5825",
    "01JD8Z3N6V7Q2X4T5Y6R8W9A0B",
    "me",
    "2026-12-01",
    "USD",
    "US",
    "0x1563915e194D8CfBA1943570603F7606A3115508",
    "0x" + "00" * 32,
    "0x" + "00" * 65,
    "0x00",
    "ab" * 32,
    "0" * 64,
    "12:00",
    "CORN-US2Y-CHI",
    "123456",
    "",
    "bafkreif2cwbvqkfzxzmtcawodci3nefzzksgoiz6mnxyi7coicnytt66ny",
    "a" * 43,
)
# Names whose value a reader would otherwise have to look up in the demonstration.
_NAMES: Final[Mapping[str, str]] = {
    "symbol": "CORN-US2Y-CHI",
    "symbols": "CORN-US2Y-CHI",
    "commodity_code": "CORN",
    "code": "CORN",
    "email": "newcomer@example.com",
    "password": "a long enough passphrase",
    "reason": "An example",
    "url": "https://example.com/hook",
    "country": "US",
    "update_mask": "display_name",
}
_DEPTH_MAX: Final = 6


def sample(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str, depth: int = 0) -> Any:
    """Returns a value that fits a schema.

    Args:
        schema: The schema.
        schemas: Those that it may refer to.
        name: Name of the property or parameter.
        depth: How deep it lies; messages may contain themselves.
    """
    if reference := schema.get("$ref"):
        target = schemas[reference.rpartition("/")[2]]
        return sample(target, schemas, name, depth)
    if values := schema.get("enum"):
        return values[min(1, len(values) - 1)]
    kind = schema.get("type")
    if kind == "object":
        return _object(schema, schemas, depth)
    if kind == "array":
        count = max(1, schema.get("minItems", 1)) if depth < _DEPTH_MAX else 0
        return [sample(schema["items"], schemas, name, depth + 1) for _ in range(count)]
    if kind == "string":
        return _text(schema, name)
    return False if kind == "boolean" else schema.get("minimum", 1)


def _object(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int) -> dict[str, Any]:
    if depth >= _DEPTH_MAX:
        return {}
    needed = schema.get("required", [])
    return {
        name: sample(one, schemas, name, depth + 1)
        for name, one in schema.get("properties", {}).items()
        if depth < 2 or name in needed  # noqa: PLR2004 - What is deeper is told if it must be.
    }


def _text(schema: Mapping[str, Any], name: str) -> str:
    if schema.get("format") == "date-time":
        return "2026-12-01T12:00:00Z"
    if schema.get("contentEncoding") == "base64":
        return "AA=="
    given = [*schema.get("examples", []), _NAMES.get(name, "")]
    candidates = [text for text in given if text] + list(_TEXTS)
    fitting = (text for text in candidates if _fits(text, schema))
    return next(fitting, "example")


def _fits(text: str, schema: Mapping[str, Any]) -> bool:
    return (
        schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text))
        and re.search(schema.get("pattern", ""), text) is not None
    )
