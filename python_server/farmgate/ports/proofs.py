"""The core's proofs: the public journal, files of days, and their check."""

from farmgate._matching import (
    DayFile,
    DayVerifier,
    JournalFailure,
    PublicJournal,
    inclusion_path,
    inclusion_root,
)
from farmgate.ports.matching_shapes import DayResult

__all__ = [
    "DayFile",
    "DayResult",
    "DayVerifier",
    "JournalFailure",
    "PublicJournal",
    "inclusion_path",
    "inclusion_root",
]
