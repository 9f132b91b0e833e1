"""What a changing call leaves besides its own rows, in the same transaction."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from sqlalchemy import Connection

from farmgate.db import audit, replies

T_contra = TypeVar("T_contra", contravariant=True)
M = TypeVar("M", bound="Serializable")


class Serializable(Protocol):
    """A protobuf message, as far as it matters here."""

    def SerializeToString(self) -> bytes:  # noqa: N802 - The name is protobuf's.
        """Returns the bytes of the message."""


@dataclass(slots=True)
class Trace:
    """The part of a call that its effects tell of.

    Attributes:
        entry: The audit row, complete but for the resource.
        slot: Where the reply is kept, when the call came with an idempotency key.
        request_hash: Hash of the request; of a streamed one, of the messages read so far.
        is_recorded: Whether a transaction recorded the call.
    """

    entry: audit.Entry
    slot: replies.Slot | None = None
    request_hash: Callable[[], bytes] = bytes
    is_recorded: bool = False

    def record(
        self, connection: Connection, reply: bytes, *, resource: str = "", actor: str = "",
        role: str = "", reason: str = "", detail: str = "",
    ) -> None:  # fmt: skip
        """Writes the audit row and keeps the reply. The transaction commits right after."""
        entry = replace(
            self.entry,
            resource=resource,
            actor=actor or self.entry.actor,
            role=role or self.entry.role,
            reason=reason,
            detail=detail,
        )
        if self.slot:
            replies.fill(connection, self.slot, self.request_hash(), reply)
        audit.append(connection, entry)
        self.is_recorded = True

    def witness(self, connection: Connection, *, resource: str, actor: str, role: str) -> None:
        """Writes the audit row of a call that will be refused although it changed something."""
        entry = replace(self.entry, resource=resource, actor=actor, role=role)
        audit.append(connection, entry)


class Effect(Generic[T_contra, M]):
    """Joins a logic's result, the reply made of it and the records of the call.

    A service makes it of the call and of the function that turns a result into a message; the
    logic records the result as the last step of its transaction, so that a repeat of the call
    after a crash gets the same reply.
    """

    def __init__(self, trace: Trace, render: Callable[[T_contra], M]) -> None:
        self._trace = trace
        self._render = render
        self._reply: M | None = None

    def record(
        self, connection: Connection, result: T_contra, *, resource: str = "", actor: str = "",
        role: str = "", reason: str = "", detail: str = "",
    ) -> None:  # fmt: skip
        """Records the result in the transaction; the last step of it.

        Args:
            connection: The transaction.
            result: What the reply is made of.
            resource: What was changed, such as "user/01J...".
            actor: User ID, when the call itself found out who the caller is.
            role: Role of that user.
            reason: Why, in the caller's words.
            detail: What changed, as a JSON object.
        """
        reply = self._render(result)
        self._trace.record(
            connection, reply.SerializeToString(), resource=resource, actor=actor, role=role,
            reason=reason, detail=detail,
        )  # fmt: skip
        self._reply = reply

    def witness(self, connection: Connection, *, resource: str, actor: str, role: str) -> None:
        """Records a change that goes with a refusal, such as a lock; no reply is kept."""
        self._trace.witness(connection, resource=resource, actor=actor, role=role)

    @property
    def reply(self) -> M:
        """Returns the message, once the transaction recorded it."""
        assert self._reply is not None, "The logic records the effect."
        return self._reply
