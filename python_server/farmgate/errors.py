"""Refusals, without any transport, so that every layer may raise them."""

from typing import NamedTuple, Self


class FieldViolation(NamedTuple):
    """What is wrong with one field of a request."""

    field: str
    description: str


class DomainError(Exception):
    """A refusal the caller can act on.

    Its words come from the catalogue (`farmgate.rpc.catalogue`), its meaning is documented in
    `errors.proto`. A bug is not a refusal: raise something else, and the caller learns the request
    ID only.

    Args:
        reason: Name of a `Reason` of `errors.proto`, without the prefix.
        values: Every value the words mention; they travel as metadata of the refusal.
    """

    def __init__(self, reason: str, **values: object) -> None:
        super().__init__(reason, values)
        self.reason = reason
        self.values = {key: str(value) for key, value in values.items()}
        self.violations: tuple[FieldViolation, ...] = ()
        self.retry_after_ms: int | None = None

    def of_fields(self, *violations: FieldViolation) -> Self:
        """Returns the refusal, with the fields at fault."""
        self.violations = violations
        return self

    def retry_after(self, milliseconds: int) -> Self:
        """Returns the refusal, telling when a repeat may work."""
        self.retry_after_ms = milliseconds
        return self

    def __str__(self) -> str:
        told = ", ".join(f"{key}={value}" for key, value in self.values.items())
        return f"{self.reason}({told})"


def invalid(field: str, rule: str) -> DomainError:
    """Returns the refusal of one field.

    Args:
        field: Name of the field as the caller knows it.
        rule: What the value must be, as the end of a sentence.
    """
    refusal = DomainError("INVALID_ARGUMENT", field=field, rule=rule)
    return refusal.of_fields(FieldViolation(field, rule))
