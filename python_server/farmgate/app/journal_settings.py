"""Settings of the journal, apart from the others: where it is, and who leads."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class JournalKind(StrEnum):
    """Where the journal of the matching core is kept."""

    FILE = "file"
    POSTGRES = "postgres"


class JournalSettings(BaseSettings):
    """Where the journal is, and how long a leader's lease lasts."""

    journal: JournalKind = Field(
        default=JournalKind.FILE,
        description="file or postgres. In files one server leads, and nobody else can; in "
        "PostgreSQL several may be started, one leads, and another takes over when it is lost.",
    )
    journal_url: SecretStr = Field(
        default=SecretStr(""),
        description="Database of the journal, as FARMGATE_DATABASE_URL. Empty means that one.",
    )
    journal_lease_ms: Annotated[int, Field(ge=500, le=60_000)] = Field(
        default=2_000,
        description="How long the leader keeps the lease of a journal in PostgreSQL without "
        "renewing it, which it does four times as often.",
    )
    advertised_address: str = Field(
        default="",
        pattern=r"^([\w.-]+:\d{1,5})?$",
        description="Where callers reach this server's gRPC port, told to those who ask a server "
        "that does not lead. Empty means FARMGATE_HOST and FARMGATE_GRPC_PORT.",
    )

    @property
    def shares_journal(self) -> bool:
        """Returns whether servers share one journal in a database."""
        return self.journal is JournalKind.POSTGRES
