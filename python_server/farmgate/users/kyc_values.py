"""What is handed in for KYC, and what is decided."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Form:
    """What is stated, in the parts that rules look at, and whole as bytes."""

    date_of_birth: str
    country: str
    owner_count: int
    message: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reviewer thinks of a document."""

    document_id: str
    is_accepted: bool
    reject_code: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a reviewer decides.

    Attributes:
        decision: APPROVE, REJECT, NEED_INFO or REVOKE.
        risk_score: 0 to 100; None keeps it.
        expected: Version the reviewer saw; 0 for whichever.
    """

    decision: str
    reason: str
    verdicts: Sequence[Verdict]
    risk_score: int | None
    expected: int
