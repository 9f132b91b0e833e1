"""What is written on paper, read back out of the PDF."""

import re
import zlib
from datetime import UTC, datetime
from typing import Any

from farmgate.ports.paper import Paper, Section, Table, pdf

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


def words(data: bytes) -> str:
    """Returns the text of a PDF of Latin letters, in the order in which it is drawn."""
    found = []
    for stream in re.findall(rb"stream\n(.*?)\nendstream", data, re.DOTALL):
        try:
            text = zlib.decompress(stream)
        except zlib.error:
            continue
        found += re.findall(rb"\((.*?)(?<!\\)\)\s*Tj", text)
    return re.sub(rb"\\([()\\])", rb"\1", b" ".join(found)).decode("latin-1")


def paper(**given: Any) -> Paper:
    sections = [
        Section("Price", [("Value", "4.6125"), ("Nothing", "")], ["It is fixed (for now)."]),
        Section("Lines", table=Table(("What", "Amount"), [("goods", "4258.31")], (2, 1), 1)),
    ]
    return Paper(**{"title": "Contract", "subtitle": "Version 1", "at": AT, "sections": sections,
                    "footer": "Made here", **given})  # fmt: skip


def test_all_that_is_said_is_on_the_paper() -> None:
    """CON-070."""
    text = words(pdf(paper()))
    for part in ("Contract", "Version 1", "Value", "4.6125", "Nothing -", "It is fixed (for now).",
                 "What", "goods", "4258.31", "Made here", "1 /  1"):  # fmt: skip
        assert part in text, part


def test_the_same_document_is_the_same_bytes() -> None:
    """CON-070."""
    assert pdf(paper()) == pdf(paper())
    assert pdf(paper()) != pdf(paper(title="Another"))
    assert pdf(paper()) != pdf(paper(at=datetime(2026, 6, 2, tzinfo=UTC)))


def test_long_documents_go_over_pages_and_other_letters_are_marked() -> None:
    """CON-070."""
    rows = [(f"load {number}", "1.00") for number in range(200)]
    long = paper(
        title="ውል", sections=[Section("Lines", table=Table(("What", "Amount"), rows, (2, 1), 1))]
    )
    text = words(pdf(long))
    assert "??" in text
    assert all(f"load {number}" in text for number in range(200))
    assert int(text.rsplit(" /  ", 1)[1].split()[0]) > 3
