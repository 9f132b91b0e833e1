"""What is secret is written nowhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from farmgate.api.auth.v1 import auth_pb2
from farmgate.telemetry import logs
from support import PASSWORD, Api, bearer, refused


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "server.log"
    logs.configure(level="DEBUG", file=path)
    yield path
    logs.configure(level="WARNING")


async def test_secrets_reach_no_log_and_no_audit_row(api: Api, log_file: Path) -> None:
    """AUT-023."""
    person = await api.person()
    renewed = await api.refresh(person.tokens.refresh_token)
    wrong = "a password that is wrong"
    await refused(api.log_in(person.user.email, wrong))
    await refused(api.me("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."))
    ticket = await api.auth.CreateStreamTicket(
        auth_pb2.CreateStreamTicketRequest(), metadata=bearer(renewed.access_token)
    )
    logs.logger("test").warning("The log is open.", note=renewed.access_token)
    secrets = {
        PASSWORD, wrong, person.tokens.access_token, person.tokens.refresh_token,
        renewed.access_token, renewed.refresh_token, ticket.ticket,
    }  # fmt: skip
    assert all(len(secret) > 8 for secret in secrets)

    with api.application.base.database.engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM audit_log")).all()
    assert rows
    written = log_file.read_text(encoding="utf-8") + repr(rows)
    assert "The log is open." in written
    for secret in secrets:
        assert secret not in written
        # A part of a token is as bad.
        assert secret[-24:] not in written
