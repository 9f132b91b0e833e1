"""The methods of the API, read once from its descriptors."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf import message_factory
from google.protobuf.descriptor import (
    Descriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)
from google.protobuf.message import Message

from farmgate import api
from farmgate.api.options.v1 import options_pb2
from farmgate.api.types.v1 import types_pb2

PREFIX: Final = "farmgate.api."
Audience: Final = options_pb2.Access.Audience
_Keeper: Final = options_pb2.Access.IdempotencyKeeper


class DescriptorError(Exception):
    """The API's descriptors and the server do not fit; the server refuses to start."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The access rule of a method, as plain values.

    Attributes:
        is_public: Whether callers need not sign in.
        roles: Roles that may call; empty means any signed-in user.
        bypass_ownership_roles: Roles that reach every resource.
        covers_organization: Whether who manages a co-operative reaches its members' resources.
        kyc_level_min: Lowest KYC level, 0..3.
        scope: Scope an API key needs. Where the method names none: "read" when it changes nothing,
            else "account", which no key has.
        mutates: Whether the method changes anything.
        keeps_replies: Whether the server's table recognises repeats.
        is_core_kept: Whether the matching core recognises repeats and records the change.
        calls_per_hour_per_ip: Limit of its own; 0 means none.
        accepts_stream_ticket: Whether a stream ticket does in place of an access token.
        allowed_without_mfa: Whether one may call who has yet to set up a second factor.
    """

    is_public: bool
    roles: frozenset[int]
    bypass_ownership_roles: frozenset[int]
    covers_organization: bool
    kyc_level_min: int
    scope: str
    mutates: bool
    keeps_replies: bool
    is_core_kept: bool
    calls_per_hour_per_ip: int
    accepts_stream_ticket: bool
    allowed_without_mfa: bool


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the API.

    Attributes:
        path: Path of the HTTP/2 request, with its leading slash.
        service: Full name of the service.
        name: Name of the method.
        rule: Who may call it, and what the server does around the call.
        request: Class of the request message.
        response: Class of the response message.
        client_streaming: Whether the caller sends many messages.
        server_streaming: Whether the server sends many messages.
    """

    path: str
    service: str
    name: str
    rule: Rule
    request: type[Message]
    response: type[Message]
    client_streaming: bool
    server_streaming: bool

    @property
    def full_name(self) -> str:
        """Returns the path without the leading slash."""
        return self.path[1:]


def all_methods() -> dict[str, Method]:
    """Returns every method of the API by its path.

    Raises:
        DescriptorError: Naming every method that lacks an access rule.
    """
    return methods_of(service for file in api_files() for service in _services(file))


def methods_of(services: Iterator[ServiceDescriptor]) -> dict[str, Method]:
    """Returns the methods of services by their path.

    Raises:
        DescriptorError: Naming every method that lacks an access rule.
    """
    methods: dict[str, Method] = {}
    faults: list[str] = []
    for service in services:
        for descriptor in service.methods:
            try:
                method = _method(descriptor)
            except DescriptorError as error:
                faults.append(str(error))
            else:
                methods[method.path] = method
    if faults:
        raise DescriptorError("\n".join(faults))
    return methods


def api_files() -> Iterator[FileDescriptor]:
    """Returns the files of the API, in the order of their names."""
    for module in pkgutil.walk_packages(api.__path__, f"{api.__name__}."):
        if module.name.endswith("_pb2"):
            yield importlib.import_module(module.name).DESCRIPTOR


def sensitive_fields() -> frozenset[str]:
    """Returns the names of the fields that never reach a log."""
    names = {
        field.name
        for file in api_files()
        for message in file.message_types_by_name.values()
        for field in _fields(message)
        if field.GetOptions().Extensions[options_pb2.sensitive]
    }
    return frozenset(names)


def role_names() -> Mapping[int, str]:
    """Returns the names of the roles, such as "TRADER", by their numbers."""
    return {number: name.removeprefix("ROLE_") for name, number in types_pb2.Role.items() if number}


def role_numbers() -> Mapping[str, int]:
    """Returns the numbers of the roles by their names, such as "TRADER"."""
    return {name: number for number, name in role_names().items()}


def _services(file: FileDescriptor) -> Iterator[ServiceDescriptor]:
    return iter(file.services_by_name.values())


def _fields(message: Descriptor) -> Iterator[FieldDescriptor]:
    yield from message.fields
    for nested in message.nested_types:
        yield from _fields(nested)


def _method(descriptor: MethodDescriptor) -> Method:
    service = descriptor.containing_service.full_name
    return Method(
        path=f"/{service}/{descriptor.name}",
        service=service,
        name=descriptor.name,
        rule=_rule(descriptor),
        request=message_factory.GetMessageClass(descriptor.input_type),
        response=message_factory.GetMessageClass(descriptor.output_type),
        client_streaming=descriptor.client_streaming,
        server_streaming=descriptor.server_streaming,
    )


def _rule(descriptor: MethodDescriptor) -> Rule:
    options = descriptor.GetOptions()
    access = options.Extensions[options_pb2.access]
    if access.audience not in {
        Audience.AUDIENCE_PUBLIC,
        Audience.AUDIENCE_SIGNED_IN,
        Audience.AUDIENCE_ROLES,
    }:
        raise DescriptorError(f"{descriptor.full_name} states no audience in its access option.")
    if (access.audience == Audience.AUDIENCE_ROLES) != bool(access.roles):
        raise DescriptorError(
            f"{descriptor.full_name} must list roles exactly when its audience is AUDIENCE_ROLES."
        )
    return Rule(
        is_public=access.audience == Audience.AUDIENCE_PUBLIC,
        roles=frozenset(access.roles),
        bypass_ownership_roles=frozenset(access.bypass_ownership_roles),
        covers_organization=access.ownership == options_pb2.Access.OWNERSHIP_ORGANIZATION,
        kyc_level_min=access.kyc_level_min,
        scope=access.scope or ("account" if access.mutates else "read"),
        mutates=access.mutates,
        keeps_replies=access.mutates
        and access.idempotency == _Keeper.IDEMPOTENCY_KEEPER_UNSPECIFIED,
        is_core_kept=access.idempotency == _Keeper.IDEMPOTENCY_KEEPER_CORE,
        calls_per_hour_per_ip=access.calls_per_hour_per_ip,
        accepts_stream_ticket=access.accepts_stream_ticket,
        allowed_without_mfa=access.allowed_without_mfa,
    )
