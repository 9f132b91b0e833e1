"""Documents on paper: headings, lists and tables as PDF, the same bytes for the same document."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from fpdf import FPDF
from fpdf.enums import TableBordersLayout, XPos, YPos
from fpdf.fonts import FontFace

_FONT: Final = "Helvetica"
_MARGIN_MM: Final = 18
_LABEL_MM: Final = 52
_LINE_MM: Final = 5.2
_SMALL_PT: Final = 8
_BODY_PT: Final = 9
_HEAD_PT: Final = 11
_TITLE_PT: Final = 16
_GREY: Final = 110


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; `shares` are the widths of columns among each other."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    shares: Sequence[int]
    # Columns from this one on are numbers, and stand to the right.
    numbers_from: int = 1_000


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands under it: labelled values, then paragraphs, then a table."""

    heading: str
    facts: Sequence[tuple[str, str]] = ()
    paragraphs: Sequence[str] = ()
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Paper:
    """A document.

    Attributes:
        title: Its title.
        subtitle: What stands under it.
        at: The time it tells of; it stands for the time it was made, so that it is always the same.
        sections: What it says.
        footer: What stands at the foot of each page.
    """

    title: str
    subtitle: str
    at: datetime
    sections: Sequence[Section] = field(default_factory=tuple)
    footer: str = ""


class _Pages(FPDF):
    def __init__(self, footer: str) -> None:
        super().__init__(format="A4")
        self._footer = footer

    def footer(self) -> None:
        """Numbers the page."""
        self.set_y(-14)
        self.set_font(_FONT, size=_SMALL_PT)
        self.set_text_color(_GREY)
        self.cell(0, 5, self._footer, align="L")
        self.cell(0, 5, f"{self.page_no()} / {{nb}}", align="R")
        self.set_text_color(0)


def pdf(paper: Paper) -> bytes:
    """Returns a document as PDF.

    The letters are those of Latin-1; any other is written as "?".
    """
    pages = _Pages(_latin(paper.footer))
    pages.set_creation_date(paper.at)
    pages.set_title(_latin(paper.title))
    pages.set_creator("Farmgate")
    pages.set_margins(_MARGIN_MM, _MARGIN_MM)
    pages.set_auto_page_break(auto=True, margin=_MARGIN_MM)
    pages.add_page()
    _line(pages, paper.title, _TITLE_PT, style="B", height_mm=8)
    pages.set_text_color(_GREY)
    _line(pages, paper.subtitle, _BODY_PT)
    pages.set_text_color(0)
    for section in paper.sections:
        _section(pages, section)
    return bytes(pages.output())


def _section(pages: FPDF, section: Section) -> None:
    pages.ln(4)
    _line(pages, section.heading, _HEAD_PT, style="B", height_mm=7)
    for label, value in section.facts:
        pages.set_font(_FONT, size=_BODY_PT)
        pages.cell(_LABEL_MM, _LINE_MM, _latin(label))
        _line(pages, value or "-", _BODY_PT)
    for text in section.paragraphs:
        _line(pages, text, _BODY_PT)
        pages.ln(1.5)
    if section.table is not None and section.table.rows:
        _table(pages, section.table)


def _table(pages: FPDF, table: Table) -> None:
    pages.set_font(_FONT, size=_SMALL_PT)
    aligns = tuple("RIGHT" if at >= table.numbers_from else "LEFT" for at in range(len(table.head)))
    with pages.table(
        col_widths=tuple(table.shares), text_align=aligns, line_height=_LINE_MM,
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        headings_style=FontFace(emphasis="BOLD"),
    ) as drawn:  # fmt: skip
        for row in (table.head, *table.rows):
            drawn.row([_latin(cell) for cell in row])


def _line(
    pages: FPDF, text: str, size_pt: int, *, style: str = "", height_mm: float = _LINE_MM
) -> None:
    pages.set_font(_FONT, style=style, size=size_pt)
    pages.multi_cell(0, height_mm, _latin(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _latin(text: str) -> str:
    return text.encode("latin-1", errors="replace").decode("latin-1")
