"""What Envoy needs to know of the API, read from its descriptors."""

from dataclasses import dataclass

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from farmgate.rpc.methods import api_files

_HTTP_BODY = "google.api.HttpBody"


@dataclass(frozen=True, slots=True)
class StreamRoute:
    """A REST path that answers with a stream.

    Attributes:
        path: Path, without parameters.
        is_http_body: Whether the server writes the body itself, as server-sent events or a file.
    """

    path: str
    is_http_body: bool


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

    for file in api_files():
        add(file)
    return FileDescriptorSet(file=files.values()).SerializeToString(deterministic=True)


def services() -> list[str]:
    """Returns the full names of the API's services."""
    found = {
        service.full_name
        for file in api_files()
        for service in file.services_by_name.values()
        if any(_http(method) for method in service.methods)
    }
    return sorted(found)


def stream_routes() -> list[StreamRoute]:
    """Returns the REST paths that answer with a stream."""
    routes = []
    for file in api_files():
        for service in file.services_by_name.values():
            for method in service.methods:
                rule = _http(method)
                if rule and rule.get and method.server_streaming:
                    is_http_body = method.output_type.full_name == _HTTP_BODY
                    routes.append(StreamRoute(rule.get, is_http_body))
    return sorted(routes, key=lambda route: route.path)


def _http(method: MethodDescriptor) -> http_pb2.HttpRule | None:
    options = method.GetOptions()
    if not options.HasExtension(annotations_pb2.http):
        return None
    rule: http_pb2.HttpRule = options.Extensions[annotations_pb2.http]
    return rule
