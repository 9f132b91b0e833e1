from pathlib import Path

import pytest

from farmgate.app.parts.core import open_matching
from farmgate.app.secrets import load_secrets
from farmgate.app.settings import SettingsError, load


def test_defaults_do_for_development() -> None:
    settings = load(environment={}, env_file=None)
    assert settings.database_address == "sqlite:///.farmgate/farmgate.db"
    assert settings.verifies_email_at_once
    assert settings.describes_services


def test_every_mistake_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """OPS-023."""
    monkeypatch.setenv("FARMGATE_GRPC_PORT", "70000")
    monkeypatch.setenv("FARMGATE_DATABASE_URL", "mysql://root:secret@host/name")
    with pytest.raises(SettingsError) as caught:
        load(environment={"FARMGATE_GRCP_PORT": "1"}, env_file=None)
    told = str(caught.value)
    assert "FARMGATE_GRCP_PORT is not a setting; did you mean FARMGATE_GRPC_PORT?" in told
    assert "FARMGATE_GRPC_PORT: " in told
    assert "must begin with sqlite: or postgresql:" in told
    assert "secret" not in told


def test_production_refuses_what_is_for_demonstration() -> None:
    """OPS-024."""
    with pytest.raises(SettingsError) as caught:
        load(environment={}, env_file=None, env="production", reflection=True)
    assert len(caught.value.mistakes) == 4


def test_a_server_that_shares_its_journal_says_where_it_is(tmp_path: Path) -> None:
    """OPS-024."""
    given = {"env": "production", "journal": "postgres", "host": "0.0.0.0"}
    with pytest.raises(SettingsError, match="FARMGATE_ADVERTISED_ADDRESS must be given"):
        load(environment={}, env_file=None, **given)
    settings = load(environment={}, env_file=None, data_dir=tmp_path, journal="postgres")
    with pytest.raises(SettingsError, match="needs a PostgreSQL database"):
        open_matching(settings)


def test_secrets_are_made_once_and_kept_private(tmp_path: Path) -> None:
    """OPS-025."""
    settings = load(environment={}, env_file=None, data_dir=tmp_path / "data")
    first = load_secrets(settings)
    assert load_secrets(settings) == first
    for path in (tmp_path / "data" / "secrets").iterdir():
        assert path.stat().st_mode & 0o077 == 0
