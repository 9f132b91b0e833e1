"""docs/authorization.md says what the protos declare."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_of_access_is_up_to_date() -> None:
    """AUT-039."""
    script = runpy.run_path(str(ROOT / "scripts/generate_authorization_doc.py"))
    written = (ROOT / "docs/authorization.md").read_text()
    assert written == script["document"](), "run `make docs`"
