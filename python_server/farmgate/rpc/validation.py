"""Reads and checks request messages: bytes in, a message that keeps its proto's rules out."""

from collections.abc import Callable
from typing import Any, Final

import protovalidate
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message

from buf.validate import validate_pb2
from farmgate.errors import DomainError, FieldViolation
from farmgate.rpc.methods import DescriptorError

_validator: Final = protovalidate.Validator()


def reader(message: type[Message]) -> Callable[[bytes], Message]:
    """Returns the function that reads a message of this class.

    Its refusals are MALFORMED_MESSAGE, FIELD_REQUIRED and INVALID_ARGUMENT. The rules are compiled
    here, so that a rule that can't be compiled stops the server at its start.
    """
    parse = message.FromString
    descriptor: Any = message.DESCRIPTOR
    if not _has_rules(descriptor, set()):
        return lambda data: _parse(parse, data)
    try:
        _validator.collect_violations(message())
    except protovalidate.CompilationError as error:
        raise DescriptorError(f"Rule of {message.DESCRIPTOR.full_name}: {error}") from error

    def read(data: bytes) -> Message:
        request = _parse(parse, data)
        violations = _validator.collect_violations(request)
        if violations:
            raise _refusal(violations)
        return request

    return read


def _parse(parse: Callable[[bytes], Message], data: bytes) -> Message:
    try:
        return parse(data)
    except DecodeError as error:
        raise DomainError("MALFORMED_MESSAGE") from error


def _refusal(violations: list[protovalidate.Violation]) -> DomainError:
    found = [
        (_path(violation), violation.proto.rule_id, violation.proto.message)
        for violation in violations
    ]
    fields = [FieldViolation(field, rule) for field, _, rule in found]
    field, rule_id, rule = found[0]
    if rule_id == "required":
        return DomainError("FIELD_REQUIRED", field=field).of_fields(*fields)
    return DomainError("INVALID_ARGUMENT", field=field, rule=rule).of_fields(*fields)


def _path(violation: protovalidate.Violation) -> str:
    elements = violation.proto.field.elements if violation.proto.field else ()
    return ".".join(element.field_name for element in elements) or "request"


def _has_rules(message: Descriptor, seen: set[str]) -> bool:
    if message.full_name in seen:
        return False
    seen.add(message.full_name)
    if message.GetOptions().HasExtension(validate_pb2.message):
        return True
    return any(
        field.GetOptions().HasExtension(validate_pb2.field)
        or (field.message_type is not None and _has_rules(field.message_type, seen))
        for field in message.fields
    ) or any(oneof.GetOptions().HasExtension(validate_pb2.oneof) for oneof in message.oneofs)
