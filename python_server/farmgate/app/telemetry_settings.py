"""Settings of logs and of the reports of faults, apart from the others."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class TelemetrySettings(BaseSettings):
    """What is written about the processes, and where."""

    log_level: str = Field(
        default="INFO",
        pattern="^(DEBUG|INFO|WARNING|ERROR|CRITICAL)$",
        description="Lowest level that is logged.",
    )
    log_file: Path | None = Field(
        default=None, description="File of the log, rotated; unset means standard error."
    )
    sentry_dsn: SecretStr = Field(
        default=SecretStr(""),
        description="Address of a project of Sentry, or of what speaks its protocol, that faults "
        "are reported to, without what people sent. Empty means nowhere.",
    )
