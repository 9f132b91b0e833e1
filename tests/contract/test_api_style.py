"""The API's own style, held by its descriptors where buf's lints do not reach."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.api import field_behavior_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from grpc_tools import protoc

from farmgate.api.options.v1 import options_pb2
from farmgate.app.edge.descriptors import Binding, bindings
from farmgate.rpc.methods import Method, all_methods

ROOT = Path(__file__).parents[2]
METHODS = sorted(all_methods().values(), key=lambda method: method.path)
REST = bindings()
# Paths outside /v1: fixed by standards or by those who look at health.
UNVERSIONED = {
    "/.well-known/jwks.json",
    "/docs",
    "/docs/{page}",
    "/healthz",
    "/livez",
    "/openapi.json",
    "/readyz",
}
# Fields that must never be logged, by name.
SECRET = re.compile(r"(^|_)(password|secret|ticket|refresh_token|access_token|recovery_codes?)$")
MONEY = re.compile(r"(price|amount|balance|fee|fees|notional|cost|total|quantity)(_|$)")
# How moments are named: "create_time", "sign_by", and the ends of a range.
MOMENT = re.compile(r"(^|_)times?$|_(by|until|after|before)$|^(from|to)$")
NO_MOMENT = re.compile(r"^(?!.*_times?$)")
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# Sentences, and those that begin with a value.
SENTENCE = re.compile(r'([A-Z0-9"`]|true ).*[.)]', re.DOTALL)
Kind = FieldDescriptorProto.Type


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[FileDescriptorProto]:
    """The API's files with their comments."""
    target = tmp_path_factory.mktemp("descriptors") / "api.binpb"
    names = sorted(
        str(path.relative_to(ROOT / "proto")) for path in (ROOT / "proto/farmgate").rglob("*.proto")
    )
    status = protoc.main(
        [
            "protoc",
            f"-I{ROOT / 'proto'}",
            f"-I{ROOT / 'proto/third_party'}",
            f"-I{Path(protoc.__file__).parent / '_proto'}",
            "--include_source_info",
            f"--descriptor_set_out={target}",
            *names,
        ]
    )
    assert status == 0
    return list(FileDescriptorSet.FromString(target.read_bytes()).file)


Place = tuple[str, tuple[int, ...]]


def _places(file: FileDescriptorProto) -> Iterator[Place]:
    """Yields everything that must be told about, with its path in the descriptor."""
    for index, service in enumerate(file.service):
        yield service.name, (6, index)
        for number, method in enumerate(service.method):
            yield f"{service.name}.{method.name}", (6, index, 2, number)
    for index, message in enumerate(file.message_type):
        yield from _message(message, (4, index), "")
    for index, enum in enumerate(file.enum_type):
        yield from _enum(enum, (5, index), "")
    for index, extension in enumerate(file.extension):
        yield extension.name, (7, index)


def _message(message: DescriptorProto, path: tuple[int, ...], outer: str) -> Iterator[Place]:
    if message.options.map_entry:
        return
    name = f"{outer}{message.name}"
    yield name, path
    for index, field in enumerate(message.field):
        yield f"{name}.{field.name}", (*path, 2, index)
    for index, nested in enumerate(message.nested_type):
        yield from _message(nested, (*path, 3, index), f"{name}.")
    for index, enum in enumerate(message.enum_type):
        yield from _enum(enum, (*path, 4, index), f"{name}.")


def _enum(enum: EnumDescriptorProto, path: tuple[int, ...], outer: str) -> Iterator[Place]:
    yield f"{outer}{enum.name}", path
    for index, value in enumerate(enum.value):
        yield f"{outer}{enum.name}.{value.name}", (*path, 2, index)


def _messages(file: FileDescriptorProto) -> Iterator[DescriptorProto]:
    stack = list(file.message_type)
    while stack:
        message = stack.pop()
        yield message
        stack += message.nested_type


def test_everything_is_told_in_sentences(files: list[FileDescriptorProto]) -> None:
    count = 0
    faults = []
    for file in files:
        comments = {
            tuple(place.path): place.leading_comments.strip()
            for place in file.source_code_info.location
        }
        for name, path in _places(file):
            count += 1
            comment = comments.get(path, "")
            if not SENTENCE.fullmatch(comment):
                faults.append(f"{file.name}: {name}: {comment!r}")
    assert count > 1_000
    assert not faults, "\n".join(faults)


def test_files_lie_where_their_packages_say(files: list[FileDescriptorProto]) -> None:
    for file in files:
        assert re.fullmatch(r"farmgate\.api\.[a-z]+\.v[1-9]", file.package), file.name
        assert file.name.rpartition("/")[0] == file.package.replace(".", "/")
        assert file.syntax == "proto3"


def test_names_follow_their_kind(files: list[FileDescriptorProto]) -> None:
    faults = []
    for file in files:
        for message in _messages(file):
            for field in message.field:
                is_moment = field.type_name == ".google.protobuf.Timestamp"
                fits = MOMENT if is_moment else NO_MOMENT
                if not (fits.search(field.name) and NAME.fullmatch(field.name)):
                    faults.append(f"{file.name}: {message.name}.{field.name}")
    assert not faults, "\n".join(faults)


def test_no_float_comes_near_money(files: list[FileDescriptorProto]) -> None:
    floats = {Kind.TYPE_DOUBLE, Kind.TYPE_FLOAT}
    faults = [
        f"{file.name}: {message.name}.{field.name}"
        for file in files
        for message in _messages(file)
        for field in message.field
        if field.type in floats and MONEY.search(field.name) and "ratio" not in field.name
    ]
    assert not faults, "\n".join(faults)


def test_secrets_are_marked() -> None:
    faults = []
    for method in METHODS:
        for message in (method.request.DESCRIPTOR, method.response.DESCRIPTOR):
            for field in message.fields:
                is_marked = field.GetOptions().Extensions[options_pb2.sensitive]
                if SECRET.search(field.name) and field.type == field.TYPE_STRING and not is_marked:
                    faults.append(f"{message.full_name}.{field.name}")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_method_follows_the_rules_of_methods(method: Method) -> None:
    assert re.fullmatch(r"farmgate\.api\.[a-z]+\.v1\.[A-Z]\w*Service", method.service)
    request, response = method.request.DESCRIPTOR, method.response.DESCRIPTOR
    assert request.name == f"{method.name}Request"
    if response.full_name != "google.api.HttpBody":
        assert response.name == f"{method.name}Response"
    starts_as_stream = method.name.startswith(("Watch", "Stream"))
    if starts_as_stream:
        assert method.server_streaming
    if method.name.startswith("List"):
        assert not method.rule.mutates
    if "page_token" in request.fields_by_name:
        assert "page_size" in request.fields_by_name
        assert "next_page_token" in response.fields_by_name
    if method.rule.roles:
        assert not method.rule.is_public


@pytest.mark.parametrize("binding", REST, ids=lambda one: f"{one.verb} {one.path}")
def test_path_follows_the_rules_of_paths(binding: Binding) -> None:
    assert binding.path.startswith("/v1/") or binding.path in UNVERSIONED
    for segment in binding.path.removeprefix("/").split("/"):
        if binding.path not in UNVERSIONED:
            assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*|\{[a-z]+(_[a-z]+)*\}", segment)
    fields = binding.method.request.DESCRIPTOR.fields_by_name
    for name in re.findall(r"\{(\w+)\}", binding.path):
        assert name in fields, "The variable is a field of the request."
        assert not fields[name].GetOptions().Extensions[field_behavior_pb2.field_behavior] or (
            field_behavior_pb2.REQUIRED
            in fields[name].GetOptions().Extensions[field_behavior_pb2.field_behavior]
        )
    if binding.verb == "GET":
        # Reading may leave an audit row; repeating it must be harmless.
        assert not binding.method.rule.keeps_replies
    if binding.verb in {"PUT", "PATCH", "DELETE"}:
        assert binding.method.rule.mutates


def test_no_path_has_two_methods() -> None:
    shapes = [(one.verb, re.sub(r"\{\w+\}", "{}", one.path)) for one in REST]
    assert len(set(shapes)) == len(shapes)


def test_every_method_has_a_rest_path_but_sessions() -> None:
    reached = {one.method.path for one in REST}
    without = [method.name for method in METHODS if method.path not in reached]
    assert without == ["OrderSession"]
