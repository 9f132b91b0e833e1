"""docs/operations.md has every setting with its default and its meaning."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_of_settings_is_up_to_date() -> None:
    script = runpy.run_path(str(ROOT / "scripts/generate_settings_doc.py"))
    written = (ROOT / "docs/operations.md").read_text()
    assert written == script["document"](written), "run `make docs`"
