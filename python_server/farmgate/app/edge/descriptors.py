"""What Envoy needs to know of the API, read from its descriptors."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.rpc import error_details_pb2, status_pb2

from farmgate.rpc.methods import Method, all_methods, api_files

_HTTP_BODY: Final = "google.api.HttpBody"
_VERBS: Final = ("get", "put", "post", "delete", "patch")
_VARIABLE: Final = re.compile(r"\\\{[^}]*\\\}")


@dataclass(frozen=True, slots=True)
class Binding:
    """A REST path of a method.

    Attributes:
        verb: Method of HTTP, in upper case.
        path: Path, its variables in braces.
        method: The RPC.
    """

    verb: str
    path: str
    method: Method

    @property
    def pattern(self) -> str:
        """Returns the regular expression, in RE2's words, of the path."""
        return _VARIABLE.sub("[^/]+", re.escape(self.path))

    @property
    def is_stream(self) -> bool:
        """Tells whether the answer is a stream."""
        return self.method.server_streaming

    @property
    def is_http_body(self) -> bool:
        """Tells whether the server writes the body itself: server-sent events, or a file."""
        return self.method.response.DESCRIPTOR.full_name == _HTTP_BODY


def descriptor_set() -> bytes:
    """Returns the API's descriptors with all they import, for Envoy's transcoder."""
    files: dict[str, FileDescriptorProto] = {}

    def add(file: FileDescriptor) -> None:
        if file.name in files:
            return
        for imported in file.dependencies:
            add(imported)
        proto = FileDescriptorProto()
        file.CopyToProto(proto)
        files[file.name] = proto

    # Refusals travel as these; without them the transcoder leaves the body empty.
    add(status_pb2.DESCRIPTOR)
    add(error_details_pb2.DESCRIPTOR)
    for file in api_files():
        add(file)
    return FileDescriptorSet(file=files.values()).SerializeToString(deterministic=True)


def services() -> list[str]:
    """Returns the full names of the services that have a REST path."""
    return sorted({binding.method.service for binding in bindings()})


def bindings() -> list[Binding]:
    """Returns every REST path of the API, in the order of the paths."""
    methods = all_methods()
    found = [
        Binding(verb.upper(), path, methods[f"/{service.full_name}/{descriptor.name}"])
        for file in api_files()
        for service in file.services_by_name.values()
        for descriptor in service.methods
        for verb, path in _paths(descriptor)
    ]
    return sorted(found, key=lambda binding: (binding.path, binding.verb))


def _paths(method: MethodDescriptor) -> Iterator[tuple[str, str]]:
    options = method.GetOptions()
    if not options.HasExtension(annotations_pb2.http):
        return
    rule: http_pb2.HttpRule = options.Extensions[annotations_pb2.http]
    for one in (rule, *rule.additional_bindings):
        verb = one.WhichOneof("pattern")
        assert verb in _VERBS, f"{method.full_name} has a verb that REST clients lack."
        yield verb, getattr(one, verb)
