"""The walk-through of a forward contract, run as a newcomer pastes it: FWD-040."""

import doctest
from pathlib import Path

import pytest

from e2e.exchange import running

PAGE = Path(__file__).parents[2] / "docs" / "contracts-walkthrough.md"


def test_walk_through_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FWD-040: every step of the page, with the answers that it shows."""
    # Two years of prices would only keep it busy.
    with running(tmp_path / "data", FARMGATE_DEMO_HISTORY="false") as exchange:
        monkeypatch.setenv("FARMGATE", exchange.rest)
        flags = doctest.REPORT_ONLY_FIRST_FAILURE
        result = doctest.testfile(str(PAGE), module_relative=False, optionflags=flags)
    assert result.attempted > 50
    assert result.failed == 0
