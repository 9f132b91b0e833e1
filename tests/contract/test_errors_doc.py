"""docs/errors.md is what its script makes of the protos and the catalogue."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_list_of_refusals_is_up_to_date() -> None:
    script = runpy.run_path(str(ROOT / "scripts/generate_errors_doc.py"))
    written = (ROOT / "docs/errors.md").read_text()
    assert written == script["document"](), "run `make docs`"
