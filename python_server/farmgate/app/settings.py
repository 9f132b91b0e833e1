"""Every setting: name, default, meaning.

A setting comes from the environment, under its name in upper case after FARMGATE_, or from the
file `.env` in the working directory.
"""

import os
from collections.abc import Iterable, Mapping
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from farmgate.app.journal_settings import JournalSettings
from farmgate.app.mistakes import mistyped, words
from farmgate.app.production import not_for_production
from farmgate.app.telemetry_settings import TelemetrySettings

PREFIX: Final = "FARMGATE_"
Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=1)]


class Environment(StrEnum):
    """What kind of installation it is."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class SettingsError(Exception):
    """Settings are wrong; every mistake is listed."""

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = tuple(mistakes)
        listed = "\n".join(f"  - {mistake}" for mistake in self.mistakes)
        super().__init__(f"The settings have mistakes:\n{listed}")


class Settings(JournalSettings, TelemetrySettings, BaseSettings):
    """The settings of a process."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        validate_default=True,
    )

    env: Environment = Field(
        default=Environment.DEVELOPMENT,
        description="development or production. Production refuses demo defaults and secrets that "
        "were not given.",
    )
    data_dir: Path = Field(
        default=Path(".farmgate"),
        description="Folder of everything the embedded installation keeps.",
    )
    database_url: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("FARMGATE_DATABASE_URL", "DATABASE_URL"),
        description="sqlite:///path or postgresql://user:password@host/name. Empty means "
        "farmgate.db in the data folder.",
    )
    database_threads: Count = Field(
        default=8, description="Transactions that run at once, and connections to PostgreSQL."
    )

    history_url: SecretStr = Field(
        default=SecretStr(""),
        description="Database of the history of trading, as FARMGATE_DATABASE_URL. Empty means "
        "history.db in the data folder beside SQLite, else the database itself.",
    )
    jobs_url: SecretStr = Field(
        default=SecretStr(""),
        description="Database in which workers keep their queues, as FARMGATE_DATABASE_URL. Empty "
        "means jobs.db in the data folder beside SQLite, else the database itself.",
    )
    jobs_in_process: bool = Field(
        default=False,
        description="Whether the server runs all background jobs itself, without a worker.",
    )
    worker_name: str = Field(
        default="worker",
        pattern=r"^[\w.-]{1,60}$",
        description="Name of this worker. Each worker has its own and keeps it over restarts, so "
        "that it goes on with what it was at.",
    )
    snapshot_interval_commands: Count = Field(
        default=1_000_000, description="Commands of the matching core between two snapshots."
    )
    demo_history: bool = Field(default=True, description="Whether the demonstration has a past.")
    market_sources_file: Path | None = Field(None, description="JSON file of price sources.")
    demo: bool = Field(
        default=False,
        description="Whether an empty exchange is filled with the demonstration's instruments, "
        "users and money at its start; refused in production.",
    )
    web_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("http://localhost:3000",),
        description="Origins, comma-separated, of web pages that may call the API.",
    )

    host: str = Field(default="127.0.0.1", description="Address the gRPC port is opened on.")
    grpc_port: Port = Field(default=50051, description="gRPC port; 0 picks a free one.")
    rest_port: Port = Field(default=8080, description="Port of Envoy: REST, gRPC-Web, streams.")
    stream_port: Port = Field(
        default=0,
        description="gRPC port of the processes that serve streams; they share it. 0 lets "
        "farmgate up pick a free one.",
    )
    stream_processes: Annotated[int, Field(ge=0, le=64)] = Field(
        default=1,
        description="How many processes farmgate up starts for streams; with 0 the server serves "
        "them.",
    )
    metrics_host: str = Field(
        default="127.0.0.1", description="Address the metrics port is opened on."
    )
    metrics_port: Port = Field(
        default=9464, description="Port of /metrics; not for the public. 0 picks a free one."
    )
    admin_port: Port = Field(
        default=9901, description="Port of Envoy's administration, on loopback only."
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("127.0.0.0/8", "::1/128"),
        description="Networks, comma-separated, whose x-forwarded-for is believed.",
    )
    trusted_proxy_hops: Count = Field(
        default=1, description="How many trusted proxies add to x-forwarded-for."
    )
    reflection: bool | None = Field(
        default=None,
        description="Whether the server describes its services to anybody. Unset means yes in "
        "development, no in production; refused there.",
    )
    reuse_port: bool = Field(
        default=False, description="Whether several processes share the gRPC port."
    )
    concurrent_streams_max: Count = Field(
        default=1_000,
        description="Calls under way on one connection. Envoy carries many clients on one.",
    )
    drain_s: Annotated[float, Field(ge=0, le=600)] = Field(
        default=0.0,
        description="How long the server answers on after it told balancers that it goes. Longer "
        "than their health interval.",
    )
    grace_s: Annotated[float, Field(ge=0, le=600)] = Field(
        default=10.0, description="How long calls under way may take to end when the server stops."
    )

    secret_key: SecretStr = Field(
        default=SecretStr(""),
        description="At least 32 characters that sign page tokens and hash requests. Empty means "
        "generated into the data folder; refused in production.",
    )
    auth_signing_key_file: Path | None = Field(
        default=None,
        description="RSA private key, PEM, that signs tokens. Unset means generated into the data "
        "folder; refused in production.",
    )
    auth_previous_key_file: Path | None = Field(
        default=None,
        description="Another RSA key, PEM, whose tokens are taken too while keys are changed.",
    )
    auth_issuer: str = Field(default="farmgate", description="Issuer named in tokens.")
    auth_audience: str = Field(default="farmgate", description="Audience named in tokens.")
    auth_access_ttl_s: Annotated[int, Field(ge=60, le=900)] = Field(
        default=900, description="Seconds an access token is good for."
    )
    auth_refresh_ttl_s: Annotated[int, Field(ge=3_600, le=90 * 86_400)] = Field(
        default=14 * 86_400, description="Seconds a session is good for, however often refreshed."
    )
    auth_sessions_max: Count = Field(
        default=10, description="Sessions a user may have; a further one ends the oldest."
    )
    auth_lockout_attempts: Count = Field(
        default=5, description="Failed attempts after which an account is locked."
    )
    auth_lockout_s: Count = Field(default=900, description="Seconds an account stays locked.")
    auth_auto_verify_email: bool | None = Field(
        default=None,
        description="Whether registering counts as verifying the e-mail address and gives KYC "
        "level 1. Unset means yes in development, no in production; refused there.",
    )
    auth_admin_mfa: bool | None = Field(
        default=None,
        description="Whether admins need a second factor. Unset means no in development, yes in "
        "production; can't be false there.",
    )
    auth_registration_open: bool = Field(
        default=True, description="Whether people may register themselves."
    )

    chain_enabled: bool = Field(
        default=True,
        description="Whether contracts are registered on a chain. In production only with "
        "FARMGATE_CHAIN_URL.",
    )
    chain_url: SecretStr = Field(
        default=SecretStr(""),
        description="Address of the JSON-RPC of a node, such as https://node:8545. Empty means a "
        "chain inside the exchange, in the data folder; in production, none.",
    )
    chain_id: Count = Field(
        default=31337, description="Number of the chain; a node of another chain is not used."
    )
    chain_operator_key_file: Path | None = Field(
        default=None,
        description="Private key, hexadecimal, of the exchange on the chain. Unset means generated "
        "into the data folder; refused in production with a chain.",
    )
    chain_confirmations: Count = Field(
        default=2, description="Blocks after which something on the chain counts as confirmed."
    )
    chain_max_fee_gwei: Count = Field(
        default=200, description="Highest fee, in gwei, offered for a unit of gas."
    )
    ipfs_url: str = Field(
        default="",
        pattern=r"^(https?://[\w.:\[\]-]+/?)?$",
        description="Address of the RPC of a Kubo node, such as http://127.0.0.1:5001. Empty means "
        "that content is kept in the data folder only.",
    )
    ipfs_user_quota_mib: Count = Field(
        default=500, description="Content, in MiB, that a user may keep."
    )

    smtp_url: SecretStr = Field(
        default=SecretStr(""),
        description="Mail server, such as smtp://user:password@host:587, or smtps: for TLS from "
        "the start. Empty means that e-mail is written into the folder mail of the data folder.",
    )
    mail_from: str = Field(
        default="farmgate@localhost",
        pattern=r"^[^@\s<>]+@[^@\s<>]+$",
        description="Address that e-mail comes from.",
    )

    redis_url: SecretStr = Field(
        default=SecretStr(""),
        description="Redis by which processes share limits and caches and tell each other of "
        "changes, such as redis://host:6379/0. Empty means that each process does without.",
    )
    rate_sign_ins_per_min: Count = Field(
        default=30, description="Sign-ins an address may try in a minute, as Envoy counts them."
    )
    rate_user_per_min: Count = Field(
        default=1_200, description="Calls a signed-in user may make in a minute."
    )
    rate_ip_per_min: Count = Field(
        default=300, description="Calls an address may make in a minute without signing in."
    )
    rate_orders_per_s: Count = Field(
        default=1_000, description="Order calls a user may make in a second."
    )
    rate_streams_per_user: Count = Field(
        default=10, description="Streams a user, or an address without one, may have open."
    )

    @field_validator("trusted_proxies", "web_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ip_network(network)
        return value

    @field_validator("smtp_url")
    @classmethod
    def _check_smtp(cls, value: SecretStr) -> SecretStr:
        parts = urlsplit(value.get_secret_value())
        if value.get_secret_value() and not (parts.scheme in {"smtp", "smtps"} and parts.hostname):
            raise ValueError("must be an address such as smtp://host:587")
        return value

    @field_validator("database_url", "history_url", "jobs_url", "journal_url")
    @classmethod
    def _check_url(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value():
            return value
        try:
            backend = make_url(value.get_secret_value()).get_backend_name()
        except ArgumentError:
            # Raised from nothing: the original quotes the address, password and all.
            raise ValueError("must be a database address such as sqlite:///farmgate.db") from None
        if backend not in {"sqlite", "postgresql"}:
            raise ValueError("must begin with sqlite: or postgresql:")
        return value

    @property
    def is_production(self) -> bool:
        """Returns whether demo defaults are refused."""
        return self.env is Environment.PRODUCTION

    @property
    def database_address(self) -> str:
        """Returns the address of the database, the default included. It may hold a password."""
        return self.database_url.get_secret_value() or f"sqlite:///{self.data_dir / 'farmgate.db'}"

    @property
    def describes_services(self) -> bool:
        """Returns whether the server describes its services to anybody."""
        return not self.is_production if self.reflection is None else self.reflection

    @property
    def history_address(self) -> str:
        """Returns the address of the history's database, the default included."""
        given = self.history_url.get_secret_value()
        if given:
            return given
        if self.database_address.startswith("sqlite"):
            # A file of its own: the projector's long transactions would hold up everybody else.
            return f"sqlite:///{self.data_dir / 'history.db'}"
        return self.database_address

    @property
    def jobs_address(self) -> str:
        """Returns the address of the workers' database, the default included."""
        given = self.jobs_url.get_secret_value() or self.database_url.get_secret_value()
        if not given or (given.startswith("sqlite") and not self.jobs_url.get_secret_value()):
            return f"sqlite:///{self.data_dir / 'jobs.db'}"
        return given

    @property
    def journal_dir(self) -> Path:
        """Returns the folder of the matching core's journal and snapshots."""
        return self.data_dir / "journal"

    @property
    def mfa_roles(self) -> frozenset[str]:
        """Returns the roles that need a second factor."""
        is_needed = self.is_production if self.auth_admin_mfa is None else self.auth_admin_mfa
        return frozenset({"ADMIN"}) if is_needed else frozenset()

    @property
    def verifies_email_at_once(self) -> bool:
        """Returns whether registering counts as verifying the e-mail address."""
        if self.auth_auto_verify_email is None:
            return not self.is_production
        return self.auth_auto_verify_email


def load(
    environment: Mapping[str, str] | None = None, env_file: Path | None = Path(".env"), **given: Any
) -> Settings:
    """Returns the settings of this process.

    Args:
        environment: Where names are looked for that are close to a setting's; the process's own
            when None.
        env_file: A file of settings that the environment overrides.
        given: Settings that override both.

    Raises:
        SettingsError: Listing every mistake.
    """
    variables = os.environ if environment is None else environment
    names = set(variables) | (set(dotenv_values(env_file)) if env_file else set())
    mistakes = mistyped(names, [PREFIX + field.upper() for field in Settings.model_fields])
    try:
        settings = Settings(_env_file=env_file, **given)  # type: ignore[call-arg] # pydantic-settings' own.
    except ValidationError as error:
        raise SettingsError([*mistakes, *(words(one, PREFIX) for one in error.errors())]) from None
    if settings.is_production:
        mistakes += not_for_production(settings)
    if mistakes:
        raise SettingsError(mistakes)
    return settings
