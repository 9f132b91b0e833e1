"""The registry's language: calls, events and errors by its artifact.

The libraries that read it are imported when they are needed first.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from farmgate.blockchain.typed_data import checksummed, keccak256
from farmgate.blockchain.values import Kind, Operation, flat_arguments
from farmgate.ports.chain import Log, Request, RevertedError
from farmgate.ports.ids import encode

_FOLDER: Final = Path(__file__).parent / "abi"
_SELECTOR_BYTES: Final = 4
_ERROR_STRING: Final = bytes.fromhex("08c379a0")
# What each operation makes the registry announce.
EVENT_OF: Final = {
    Kind.REGISTER: "Registered",
    Kind.AMEND: "Amended",
    Kind.SETTLE: "Settled",
    Kind.CANCEL: "Cancelled",
    Kind.ANCHOR: "Anchored",
    Kind.RECEIPT_MINT: "ReceiptIssued",
    Kind.RECEIPT_BURN: "ReceiptBurnt",
}
_ID_NAMES: Final = ("contractId", "receiptId")
# Gas of typical operations, measured on the embedded chain; a test holds them to it.
TYPICAL_GAS: Final = {
    Kind.DEPLOY: 1_136_000,
    Kind.REGISTER: 155_000,
    Kind.AMEND: 58_000,
    Kind.SETTLE: 40_000,
    Kind.CANCEL: 38_500,
    Kind.ANCHOR: 54_000,
    Kind.RECEIPT_MINT: 45_500,
    Kind.RECEIPT_BURN: 23_000,
}


@dataclass(frozen=True, slots=True)
class Announced:
    """An event in plain values: bytes as hexadecimal with 0x."""

    name: str
    arguments: Mapping[str, Any]
    reference: str


def names() -> frozenset[str]:
    """Returns the names of the registries that ship."""
    return frozenset(path.stem for path in _FOLDER.glob("*.json"))


@cache
def artifact(name: str) -> Mapping[str, Any]:
    """Returns the artifact of a registry."""
    found: Mapping[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text("utf-8"))
    return found


def request_of(operation: Operation) -> Request:
    """Returns what the transaction of an operation does."""
    if operation.kind is Kind.DEPLOY:
        made = artifact(operation.function)
        inputs = next(e for e in made["abi"] if e["type"] == "constructor")["inputs"]
        code = bytes.fromhex(made["bytecode"].removeprefix("0x"))
        data = code + _encode(inputs, operation.arguments)
    else:
        stated = _function(operation.function)
        data = _selector(stated) + _encode(stated["inputs"], operation.arguments)
    return Request(operation.from_address, operation.to_address, data)


def announced(log: Log) -> Announced | None:
    """Returns the event of a log, or None for one that the registry does not have."""
    from eth_abi import decode  # type: ignore[attr-defined] # noqa: PLC0415 - See above.

    for stated in _entries("event"):
        if log.topics and log.topics[0] == keccak256(_signature(stated).encode()):
            break
    else:
        return None
    inputs = stated["inputs"]
    indexed = iter(log.topics[1:])
    rest = iter(decode([_type(one) for one in inputs if not one["indexed"]], log.data))
    arguments = {
        one["name"]: _plain(
            decode([_type(one)], next(indexed))[0] if one["indexed"] else next(rest), one["type"]
        )
        for one in inputs
    }
    return Announced(stated["name"], arguments, _reference(arguments))


def error_of(error: RevertedError) -> str:
    """Returns why the registry refused, such as "SignatureInvalid(1)"."""
    from eth_abi import decode  # type: ignore[attr-defined] # noqa: PLC0415 - See above.
    from eth_abi.exceptions import DecodingError  # noqa: PLC0415 - See above.

    selector, rest = error.data[:_SELECTOR_BYTES], error.data[_SELECTOR_BYTES:]
    try:
        if selector == _ERROR_STRING:
            return str(decode(["string"], rest)[0])[:100]
        for stated in _entries("error"):
            if _selector(stated) == selector:
                types = [_type(one) for one in stated["inputs"]]
                told = zip(decode(types, rest), types, strict=True)
                return f"{stated['name']}({', '.join(str(_plain(v, t)) for v, t in told)})"
    except DecodingError:
        pass
    return error.words or "reverted"


def is_effect(operation: Operation, name: str, arguments: Mapping[str, Any]) -> bool:
    """Returns whether an event is what an operation was to bring about."""
    if EVENT_OF.get(operation.kind) != name:
        return False
    wanted = flat_arguments(_function(operation.function)["inputs"], operation.arguments)
    return all(
        str(wanted.get(key)).lower() == str(value).lower() for key, value in arguments.items()
    )


def _function(name: str) -> Mapping[str, Any]:
    return next(stated for stated in _entries("function") if stated["name"] == name)


def _entries(kind: str) -> list[Mapping[str, Any]]:
    return [entry for entry in artifact("ForwardRegistry")["abi"] if entry["type"] == kind]


def _signature(stated: Mapping[str, Any]) -> str:
    return f"{stated['name']}({','.join(_type(one) for one in stated['inputs'])})"


def _selector(stated: Mapping[str, Any]) -> bytes:
    return keccak256(_signature(stated).encode())[:_SELECTOR_BYTES]


def _type(stated: Mapping[str, Any]) -> str:
    if stated["type"] != "tuple":
        return str(stated["type"])
    return f"({','.join(_type(one) for one in stated['components'])})"


def _encode(inputs: list[Mapping[str, Any]], arguments: list[Any]) -> bytes:
    from eth_abi import encode as encode_abi  # type: ignore[attr-defined] # noqa: PLC0415 - As above.

    values = [_value(one, argument) for one, argument in zip(inputs, arguments, strict=True)]
    encoded: bytes = encode_abi([_type(one) for one in inputs], values)
    return encoded


def _value(stated: Mapping[str, Any], argument: Any) -> Any:
    if stated["type"] == "tuple":
        parts = zip(stated["components"], argument, strict=True)
        return tuple(_value(one, part) for one, part in parts)
    if stated["type"].startswith("bytes"):
        return bytes.fromhex(argument.removeprefix("0x"))
    return argument


def _plain(value: Any, kind: str) -> Any:
    if kind == "address":
        return checksummed(value)
    return f"0x{value.hex()}" if isinstance(value, bytes) else value


def _reference(arguments: Mapping[str, Any]) -> str:
    for name in _ID_NAMES:
        if name in arguments:
            return encode(int(arguments[name], 16))
    day = str(arguments.get("day", ""))
    return f"{day[:4]}-{day[4:6]}-{day[6:]}" if day else ""
