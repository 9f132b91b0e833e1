"""Tables as files: CSV, JSON, XLSX, PDF. The same table gives the same bytes, so a hash holds."""

import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import xlsxwriter
from fpdf import FPDF
from fpdf.enums import XPos, YPos

_SHEET_NAME: Final = "Report"
_MARGIN_MM: Final = 12
_HEAD_PT: Final = 13
_TEXT_PT: Final = 8
_LINE_MM: Final = 4.6
# A character more of a cell makes its column so much wider, up to a bound.
_WEIGHT_MAX: Final = 40
_WEIGHT_MIN: Final = 6
_PADDING_MM: Final = 2.2
_SHORTEST: Final = 4
_GREEN: Final = (222, 234, 222)
_PALE: Final = (245, 248, 245)
# With more columns the page lies on its side.
_COLUMNS_UPRIGHT: Final = 6
# A spreadsheet takes what begins so for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its head, also the name of the field in JSON.
        is_number: Whether its cells are numbers in text: told as they are, and to the right.
    """

    name: str
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table with its title and what is to be known of it.

    Attributes:
        title: Title.
        facts: Names and values above the table.
        columns: Columns.
        rows: Cells, as text.
        made_at: When it was made; the time in the files.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    made_at: datetime


def csv_bytes(sheet: Sheet) -> bytes:
    """Returns the table with a head, without title and facts."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(column.name for column in sheet.columns)
    writer.writerows(_safe(sheet.columns, row) for row in sheet.rows)
    return text.getvalue().encode()


def json_bytes(sheet: Sheet) -> bytes:
    """Returns everything as canonical JSON: sorted keys, no blanks, numbers as text."""
    names = [column.name for column in sheet.columns]
    value = {
        "title": sheet.title,
        "made_at": sheet.made_at.isoformat(),
        "facts": dict(sheet.facts),
        "rows": [dict(zip(names, row, strict=True)) for row in sheet.rows],
    }
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def xlsx_bytes(sheet: Sheet) -> bytes:
    """Returns a workbook; numbers are text, as they may have more digits than a float holds."""
    target = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(target, options) as workbook:
        workbook.set_properties({"title": sheet.title, "created": sheet.made_at})
        page = workbook.add_worksheet(_SHEET_NAME)
        bold = workbook.add_format({"bold": True})
        right = workbook.add_format({"align": "right"})
        page.write_string(0, 0, sheet.title, bold)
        for line, (name, value) in enumerate(sheet.facts, 1):
            page.write_string(line, 0, name)
            page.write_string(line, 1, value)
        head = len(sheet.facts) + 2
        for index, column in enumerate(sheet.columns):
            page.write_string(head, index, column.name, bold)
        for line, row in enumerate(sheet.rows, head + 1):
            for index, (column, cell) in enumerate(zip(sheet.columns, row, strict=True)):
                page.write_string(line, index, cell, right if column.is_number else None)
        page.freeze_panes(head + 1, 0)
        page.set_column(0, max(0, len(sheet.columns) - 1), 18)
    return target.getvalue()


class _Page(FPDF):
    """A page with its number below."""

    def footer(self) -> None:
        """Writes the number of the page."""
        self.set_y(-10)
        self.set_font("Helvetica", size=_TEXT_PT)
        self.cell(0, 5, f"{self.page_no()} / {{nb}}", align="R")


def pdf_bytes(sheet: Sheet) -> bytes:
    """Returns pages with title, facts and table.

    The fonts that every reader has know Latin letters: of others the accent is dropped, and what
    is left over is a question mark. The other formats tell every name as it is.
    """
    wide = len(sheet.columns) > _COLUMNS_UPRIGHT
    page = _Page(orientation="landscape" if wide else "portrait", format="A4")
    page.set_creation_date(sheet.made_at)
    page.set_title(_latin(sheet.title))
    page.set_producer("Farmgate")
    page.set_margin(_MARGIN_MM)
    page.set_auto_page_break(auto=True, margin=14)
    page.add_page()
    page.set_font("Helvetica", style="B", size=_HEAD_PT)
    page.cell(0, 8, _latin(sheet.title), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.set_font("Helvetica", size=_TEXT_PT)
    for name, value in sheet.facts:
        text = f"{_latin(name)}: {_latin(value)}"
        page.multi_cell(0, _LINE_MM, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.ln(2)
    _table(page, sheet)
    return bytes(page.output())


def _table(page: FPDF, sheet: Sheet) -> None:
    """Writes a line a row; heads are told again on every page.

    The library's own tables measure every word for wrapping: 400 rows took it seven seconds.
    """
    cells = [[_latin(cell) for cell in row] for row in sheet.rows]
    heads = [_latin(column.name) for column in sheet.columns]
    widths = _widths(page.epw, heads, cells)
    is_shaded = True
    _heads(page, heads, widths, sheet.columns)
    for row in cells:
        if page.will_page_break(_LINE_MM):
            page.add_page()
            _heads(page, heads, widths, sheet.columns)
        is_shaded = not is_shaded
        _row(page, row, widths, sheet.columns, is_shaded=is_shaded)


def _heads(
    page: FPDF, heads: Sequence[str], widths: Sequence[float], columns: Sequence[Column]
) -> None:
    page.set_font("Helvetica", style="B", size=_TEXT_PT)
    page.set_fill_color(*_GREEN)
    _row(page, heads, widths, columns, is_shaded=True)
    page.set_font("Helvetica", size=_TEXT_PT)
    page.set_fill_color(*_PALE)


def _row(
    page: FPDF, cells: Sequence[str], widths: Sequence[float], columns: Sequence[Column], *,
    is_shaded: bool,
) -> None:  # fmt: skip
    for cell, width, column in zip(cells, widths, columns, strict=True):
        shown = cell
        while page.get_string_width(shown) > width - _PADDING_MM and shown:
            shown = shown[: len(shown) - _SHORTEST] + "..." if len(shown) > _SHORTEST else ""
        page.cell(width, _LINE_MM, shown, align="R" if column.is_number else "L", fill=is_shaded)
    page.ln(_LINE_MM)


def _widths(whole: float, heads: Sequence[str], cells: Iterable[Sequence[str]]) -> list[float]:
    """Returns how wide columns are: by their longest cells, and together as wide as the page."""
    longest = [len(head) for head in heads]
    for row in cells:
        longest = [max(most, len(cell)) for most, cell in zip(longest, row, strict=True)]
    weights = [min(max(most, _WEIGHT_MIN), _WEIGHT_MAX) for most in longest]
    return [whole * weight / sum(weights) for weight in weights]


def _safe(columns: Sequence[Column], row: Sequence[str]) -> list[str]:
    return [
        f"'{cell}" if not column.is_number and cell.startswith(_FORMULA) else cell
        for column, cell in zip(columns, row, strict=True)
    ]


def _latin(text: str) -> str:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        plain = unicodedata.normalize("NFKD", text)
        kept = "".join(letter for letter in plain if not unicodedata.combining(letter))
        return kept.encode("latin-1", "replace").decode("latin-1")
    return text
