"""The REST API as tools of others see it: Postman's runner, fuzzing by the document, linters."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.exchange import Exchange, running

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/openapi.json"
COLLECTION = ROOT / "docs/postman/farmgate.postman_collection.json"
ENVIRONMENT = ROOT / "docs/postman/farmgate.postman_environment.json"
# Streams end with their reader; the others end the session that the run needs.
LEFT_OUT = "stream|events/|logout|auth/sessions|users/me$|password|trading/kill"
EXAMPLES = 2


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """An exchange that may be left in any state."""
    with running(tmp_path_factory.mktemp("own")) as found:
        yield found


def test_collection_runs(own: Exchange) -> None:
    """OPS-043: the first trade of the collection, and no fault of the server in all the rest."""
    outcome = subprocess.run(
        [
            "newman", "run", str(COLLECTION), "--environment", str(ENVIRONMENT),
            "--env-var", f"base={own.rest}", "--timeout-request", "20000", "--color", "off",
        ],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stdout[-6000:]


@pytest.mark.parametrize("user", ["trader.meridian", "admin"])
def test_answers_are_as_the_document_says(own: Exchange, user: str, tmp_path: Path) -> None:
    """OPS-044: whatever is sent, each answer has a status, a type and a form that are told."""
    tool = Path(sys.executable).with_name("schemathesis")
    outcome = subprocess.run(
        [
            str(tool), "--config-file", str(ROOT / "tests/schemathesis.toml"), "run",
            str(DOCUMENT), "--url", own.rest, "--exclude-path-regex", LEFT_OUT,
            "-n", str(EXAMPLES), "--no-color",
        ],
        capture_output=True, text=True, timeout=500, check=False, cwd=tmp_path,
        env=os.environ | {"FARMGATE_TEST_TOKEN": own.token(user)},
    )  # fmt: skip
    print(outcome.stdout[-3000:])
    assert outcome.returncode == 0, outcome.stdout[-12000:]


@pytest.mark.parametrize(
    "command",
    [
        ["redocly", "lint", "--extends", "recommended", str(DOCUMENT)],
        ["spectral", "lint", "--fail-severity", "warn", str(DOCUMENT)],
    ],
)
def test_linters_find_nothing_in_the_document(command: list[str], tmp_path: Path) -> None:
    """OPS-040: Redocly and Spectral."""
    (tmp_path / ".spectral.yaml").write_text('extends: ["spectral:oas"]\n')
    outcome = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path,
        env=os.environ | {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"},
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stdout[-3000:] + outcome.stderr[-3000:]
