"""The comments of the protos, which are the words of the documentation."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

# Numbers of the fields of descriptor.proto, of which the places of comments are made.
_MESSAGES: Final = 4
_ENUMS: Final = 5
_SERVICES: Final = 6
_FIELDS: Final = 2
_NESTED: Final = 3
_NESTED_ENUMS: Final = 4
_METHODS: Final = 2
_VALUES: Final = 2
_EXAMPLE: Final = re.compile(r'for example "([^"]+)"')

_Place = tuple[int, ...]


def read(descriptors: bytes) -> dict[str, str]:
    """Returns the comment of everything that has one, by its full name.

    Args:
        descriptors: A FileDescriptorSet with source information.
    """
    comments: dict[str, str] = {}
    for file in FileDescriptorSet.FromString(descriptors).file:
        places = _places(file)
        for index, message in enumerate(file.message_type):
            _message(comments, places, file.package, message, (_MESSAGES, index))
        for index, enum in enumerate(file.enum_type):
            _enum(comments, places, file.package, enum, (_ENUMS, index))
        for index, service in enumerate(file.service):
            name = f"{file.package}.{service.name}"
            _add(comments, places, name, (_SERVICES, index))
            for number, method in enumerate(service.method):
                place = (_SERVICES, index, _METHODS, number)
                _add(comments, places, f"{name}.{method.name}", place)
    return comments


def example(comment: str) -> str | None:
    """Returns the example that a comment gives, such as `for example "4.5825"`."""
    found = _EXAMPLE.search(comment)
    return found.group(1) if found else None


def _places(file: FileDescriptorProto) -> dict[_Place, str]:
    return {
        tuple(location.path): _joined(location.leading_comments or location.trailing_comments)
        for location in file.source_code_info.location
    }


def _joined(comment: str) -> str:
    """Returns a comment without the line breaks that only fit it into the proto's width."""
    paragraphs = comment.strip().split("\n\n")
    return "\n\n".join(" ".join(line.strip() for line in one.splitlines()) for one in paragraphs)


def _message(
    comments: dict[str, str], places: Mapping[_Place, str], scope: str, message: DescriptorProto,
    place: _Place,
) -> None:  # fmt: skip
    name = f"{scope}.{message.name}"
    _add(comments, places, name, place)
    _names(comments, places, name, [field.name for field in message.field], (*place, _FIELDS))
    for index, nested in enumerate(message.nested_type):
        _message(comments, places, name, nested, (*place, _NESTED, index))
    for index, enum in enumerate(message.enum_type):
        _enum(comments, places, name, enum, (*place, _NESTED_ENUMS, index))


def _enum(
    comments: dict[str, str], places: Mapping[_Place, str], scope: str, enum: EnumDescriptorProto,
    place: _Place,
) -> None:  # fmt: skip
    name = f"{scope}.{enum.name}"
    _add(comments, places, name, place)
    _names(comments, places, name, [value.name for value in enum.value], (*place, _VALUES))


def _names(
    comments: dict[str, str], places: Mapping[_Place, str], scope: str, names: Iterable[str],
    place: _Place,
) -> None:  # fmt: skip
    for index, name in enumerate(names):
        _add(comments, places, f"{scope}.{name}", (*place, index))


def _add(
    comments: dict[str, str], places: Mapping[_Place, str], name: str, place: _Place
) -> None:  # fmt: skip
    comment = places.get(place, "")
    if comment:
        comments[name] = comment
