"""What the protos declare of each method, read by itself.

The server's own reading, `rpc.methods`, is what is on trial here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor

from farmgate.api.options.v1 import options_pb2
from farmgate.rpc.methods import api_files

ADMITTED: Final = "ADMITTED"
KEY_SCOPES: Final = ("read", "trade", "contracts", "webhooks")
Access: Final = options_pb2.Access
_VERBS: Final = ("get", "put", "post", "delete", "patch")


@dataclass(frozen=True)
class Caller:
    """Somebody who calls, as the rules see them.

    Attributes:
        name: What the table calls them.
        metadata: What they send.
        role: Number of the role; 0 when nobody knows who it is.
        refusal: Why nobody is known by what they send; "" when somebody is.
        level: KYC level.
        scopes: Scopes of an API key; None for a person.
        lacks_mfa: Whether a second factor is needed and missing.
        has_ticket: Whether it is a stream ticket.
    """

    name: str
    metadata: tuple[tuple[str, str], ...] = ()
    role: int = 0
    refusal: str = ""
    level: int = 0
    scopes: frozenset[str] | None = None
    lacks_mfa: bool = False
    has_ticket: bool = False


@dataclass(frozen=True)
class Declared:
    """A method and the access that its proto declares."""

    descriptor: MethodDescriptor
    access: Any

    @property
    def path(self) -> str:
        return f"/{self.descriptor.containing_service.full_name}/{self.descriptor.name}"

    @property
    def is_public(self) -> bool:
        return self.access.audience == Access.AUDIENCE_PUBLIC

    @property
    def is_owned(self) -> bool:
        return self.access.ownership != Access.OWNERSHIP_UNSPECIFIED

    @property
    def scope(self) -> str:
        return self.access.scope or ("account" if self.access.mutates else "read")

    @property
    def rest(self) -> list[tuple[str, str]]:
        """Returns verbs and paths of REST."""
        options = self.descriptor.GetOptions()
        if not options.HasExtension(annotations_pb2.http):
            return []
        rule = options.Extensions[annotations_pb2.http]
        verbs = [(one, one.WhichOneof("pattern")) for one in (rule, *rule.additional_bindings)]
        return [(verb.upper(), getattr(one, verb)) for one, verb in verbs if verb in _VERBS]

    @property
    def fields(self) -> list[str]:
        return [field.name for field in self.descriptor.input_type.fields]

    def expected(self, caller: Caller) -> str:
        """Returns what the declared access makes of a caller: ADMITTED, or the reason."""
        access = self.access
        if self.is_public:
            return ADMITTED
        if caller.has_ticket and not access.accepts_stream_ticket:
            return "UNAUTHENTICATED"
        is_listed = access.audience != Access.AUDIENCE_ROLES or caller.role in access.roles
        judged = (
            (bool(caller.refusal), caller.refusal),
            (not is_listed, "PERMISSION_DENIED"),
            (caller.scopes is not None and self.scope not in caller.scopes, "SCOPE_MISSING"),
            (caller.lacks_mfa and not access.allowed_without_mfa, "MFA_ENROLLMENT_REQUIRED"),
            (caller.level < access.kyc_level_min, "KYC_LEVEL_REQUIRED"),
        )
        return next((reason for is_so, reason in judged if is_so), ADMITTED)


def _methods() -> Iterator[Declared]:
    for file in api_files():
        for service in file.services_by_name.values():
            for descriptor in service.methods:
                access = descriptor.GetOptions().Extensions[options_pb2.access]
                yield Declared(descriptor, access)


METHODS: Final = sorted(_methods(), key=lambda method: method.path)


def filled(path: str, values: dict[str, str] | None = None) -> str:
    """Returns a REST path with its variables filled."""
    values = values or {}
    return re.sub(r"\{(\w+)[^}]*\}", lambda found: values.get(found[1], "1"), path)
