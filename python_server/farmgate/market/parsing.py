"""From what a source sent to observations: rows, dates, decimals. Pure."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final

from farmgate.market.sources import CsvSource, Form, JsonSource

_MICRO: Final = 1_000_000
# What a decimal of the API may be.
_VALUE_MAX: Final = Decimal(10) ** 12
_RAW_LENGTH_MAX: Final = 1_000
_FIRST_YEAR: Final = 1900
_LAST_YEAR: Final = 2100


@dataclass(frozen=True, slots=True)
class Observation:
    """A price that a source told.

    Attributes:
        value_micro: Millionths of the currency per unit of the source.
    """

    series_id: str
    valid_on: str
    value_micro: int
    unit: str
    currency: str
    quality: str = "OK"


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that could not be read.

    Attributes:
        line: Number of the row, from 1.
        reason: Why, in words.
        raw: The row as it came, cut.
    """

    line: int
    reason: str
    raw: str


class BatchError(Exception):
    """What a source sent can't be used as a whole.

    Attributes:
        reason: Stable word for it.
    """

    def __init__(self, reason: str, words: str) -> None:
        super().__init__(words)
        self.reason = reason


def csv_rows(source: CsvSource, text: str) -> Iterator[Observation | Reject]:
    """Yields what each cell of a table says.

    Raises:
        BatchError: SCHEMA when a column is missing, NOT_TEXT when it is no table.
    """
    if text.lstrip()[:1] == "<":
        raise BatchError("NOT_TABLE", "the answer is a page, not a table")
    reader = csv.DictReader(io.StringIO(text), delimiter=source.delimiter)
    columns = reader.fieldnames or []
    wanted = [source.date_column, *_value_columns(source)]
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise BatchError("SCHEMA", f"the table lacks {', '.join(missing)}")
    for row in reader:
        line = reader.line_num
        if line - 2 < source.skip_lines:
            continue
        if None in row or None in row.values():
            yield Reject(line, "the row has another count of cells than the header", _cut(row))
            continue
        yield from _csv_row(source, row, line)


def _value_columns(source: CsvSource) -> list[str]:
    if source.series_column:
        return [source.series_column, source.value_column]
    return list(source.series)


def _csv_row(source: CsvSource, row: dict[str, str], line: int) -> Iterator[Observation | Reject]:
    if source.series_column:
        key = row[source.series_column]
        cells = {key: row[source.value_column]} if key in source.series else {}
    else:
        cells = {name: row[name] for name in source.series}
    for key, text in cells.items():
        found = _observed(
            source.series[key], row[source.date_column], text, source.form_of(key), line, _cut(row)
        )
        if found is not None:
            yield found


def json_rows(
    source: JsonSource, answer: Any, first_line: int = 1
) -> Iterator[Observation | Reject]:
    """Yields what each row of an answer says.

    Raises:
        BatchError: SCHEMA when the rows are not where they should be.
    """
    rows = at(answer, source.rows)
    if not isinstance(rows, list):
        said = json.dumps(answer)[:200] if answer else "nothing"
        raise BatchError("SCHEMA", f"there are no rows at {source.rows!r}; the answer is {said}")
    for line, row in enumerate(rows, start=first_line):
        key = str(_field(row, source.series_field)) if source.series_field != "" else ""
        if key not in source.series:
            continue
        day, value = _field(row, source.date_field), _field(row, source.value_field)
        if day is _ABSENT:
            raise BatchError("SCHEMA", f"row {line} has no {source.date_field!r}")
        if value is _ABSENT:
            raise BatchError("SCHEMA", f"row {line} has no {source.value_field!r}")
        text = "" if value is None else str(value)
        found = _observed(source.series[key], str(day), text, source.form, line, _cut(row))
        if found is not None:
            yield found


_ABSENT: Final = object()


def _field(row: Any, name: str | int) -> Any:
    if isinstance(row, dict):
        # Some services end their names with a colon.
        return row.get(name, row.get(f"{name}:", _ABSENT))
    if isinstance(row, list) and isinstance(name, int) and name < len(row):
        return row[name]
    return _ABSENT


def at(answer: Any, path: str) -> Any:
    """Returns what is under names joined by dots, None when it is not there."""
    for name in path.split(".") if path else ():
        answer = _field(answer, name)
        if answer is _ABSENT:
            return None
    return answer


def _observed(
    series_id: str, day: str, text: str, form: Form, line: int, raw: str
) -> Observation | Reject | None:
    if text.strip() in form.missing:
        return None
    try:
        valid_on = _date(day.strip(), form.date_format)
    except ValueError:
        return Reject(line, f"{day[:32]!r} is no date of the form {form.date_format}", raw)
    try:
        value_micro = _micro(text, form)
    except (InvalidOperation, ValueError):
        return Reject(line, f"{text[:32]!r} is no decimal of at most 12 digits", raw)
    return Observation(series_id, valid_on, value_micro, form.unit, form.currency)


def _date(text: str, date_format: str) -> str:
    if date_format == "ISO":
        found = date.fromisoformat(text[:10])
    else:
        found = datetime.strptime(text, date_format).replace(tzinfo=UTC).date()
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise ValueError(text)
    return found.isoformat()


def _micro(text: str, form: Form) -> int:
    """Returns a decimal in millionths, rounded half up."""
    plain = text.strip()
    if form.thousands:
        plain = plain.replace(form.thousands, "")
    value = Decimal(plain.replace(form.decimal, "."))
    if not value.is_finite() or abs(value) >= _VALUE_MAX:
        raise ValueError(text)
    return int((value * _MICRO).to_integral_value(ROUND_HALF_UP))


def _cut(row: Any) -> str:
    return json.dumps(row, ensure_ascii=False, default=str)[:_RAW_LENGTH_MAX]
