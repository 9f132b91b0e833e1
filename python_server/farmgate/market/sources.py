"""Where prices from outside come from: what a deployment states in its file of sources."""

import json
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Frequency = Literal["DAILY", "WEEKLY", "MONTHLY"]
_MISSING: Final = ("", ".", "…", "...", "NA", "N/A", "null", "-")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Series(_Strict):
    """A series of reference prices.

    Attributes:
        commodity_code: Whose units it is measured by, and whose basis it serves.
        calendar_code: Its days, for a daily series.
        is_reference: Whether the basis of the commodity's instruments is against it.
    """

    series_id: Name
    name: str = Field(min_length=1, max_length=100)
    source: str = Field(min_length=1, max_length=32)
    commodity_code: str = Field(default="", max_length=32)
    unit: str = Field(min_length=1, max_length=16)
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    frequency: Frequency = "DAILY"
    calendar_code: str = Field(default="ALWAYS_OPEN", max_length=32)
    is_reference: bool = False


class Form(_Strict):
    """How values are written.

    Attributes:
        date_format: As of `strptime`; "ISO" for YYYY-MM-DD.
        thousands: What stands between thousands.
        decimal: What stands before decimals.
        missing: What is written where a value is missing.
        unit: Unit that prices are per.
    """

    date_format: str = "ISO"
    thousands: Literal["", ",", ".", " "] = ""
    decimal: Literal[".", ","] = "."
    missing: tuple[str, ...] = _MISSING
    unit: str = Field(min_length=1, max_length=16)
    currency: str = Field(pattern=r"^[A-Z]{3}$")

    @model_validator(mode="after")
    def _marks_differ(self) -> "Form":
        if self.thousands == self.decimal:
            raise ValueError("thousands and decimal must differ")
        return self


class _Source(_Strict):
    source_id: Name
    # Of two sources of a series the one with the lower number counts.
    priority: int = Field(default=10, ge=0, le=1000)
    # What may be done with the prices, in the words of who gives them.
    licence: str = Field(default="", max_length=500)


class CsvSource(_Source):
    """A table of text: a file or an address.

    Attributes:
        location: A path, or an http(s) URL.
        skip_lines: Lines to leave out after the header, such as one of tags.
        series: Series by column of a wide table, or by value of `series_column` of a long one.
        value_column: Column of the value in a long table.
    """

    kind: Literal["csv"]
    location: str = Field(min_length=1, max_length=2_000)
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    skip_lines: int = Field(default=0, ge=0, le=100)
    date_column: str = "date"
    series_column: str = ""
    value_column: str = ""
    series: dict[str, Name] = Field(min_length=1, max_length=10_000)
    forms: dict[str, Form] = Field(default_factory=dict)
    form: Form | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> "CsvSource":
        if bool(self.series_column) != bool(self.value_column):
            raise ValueError("a long table names both series_column and value_column")
        for key in self.series:
            if self.form is None and key not in self.forms:
                raise ValueError(f"there is no form for {key}")
        return self

    def form_of(self, key: str) -> Form:
        """Returns how the values of a column or of a series' name are written."""
        found = self.forms.get(key, self.form)
        assert found is not None, "It is checked when it is read."
        return found


class JsonSource(_Source):
    """A service that answers in JSON.

    Attributes:
        url: May contain {offset}, {limit}, {from} and {to}.
        rows: Names, joined by dots, of where the rows are; empty when the answer is the list.
        date_field: Name of the date in a row, or its place in a list.
        value_field: Name of the value.
        series_field: Name of what tells the series; empty when there is one.
        series: Series by value of that field; of one series its ID under "".
        total: Where the count of all rows is told, to see when the service cut some off.
        returned: Where the count of the rows given is told.
        page_rows: Rows a page; 0 when there are no pages.
        headers: Header of the request by name; the value names a variable of the environment.
    """

    kind: Literal["http_json"]
    url: str = Field(pattern=r"^https?://", max_length=2_000)
    rows: str = ""
    date_field: str | int = "date"
    value_field: str | int = "value"
    series_field: str | int = ""
    series: dict[str, Name] = Field(min_length=1, max_length=10_000)
    total: str = ""
    returned: str = ""
    page_rows: int = Field(default=0, ge=0, le=100_000)
    days_back: int = Field(default=400, ge=1, le=40_000)
    headers: dict[str, str] = Field(default_factory=dict)
    form: Form


class TradesSource(_Source):
    """Settlement prices of an instrument of the exchange."""

    kind: Literal["trades"]
    symbol: str = Field(min_length=1, max_length=32)
    series_id: Name
    days_back: int = Field(default=60, ge=1, le=4_000)


class EmbeddedSource(_Source):
    """The demonstration's own prices, made up and the same everywhere."""

    kind: Literal["embedded"]


Source = Annotated[
    CsvSource | JsonSource | TradesSource | EmbeddedSource, Field(discriminator="kind")
]


class Sources(_Strict):
    """The series of a deployment and where they come from."""

    series: tuple[Series, ...] = ()
    sources: tuple[Source, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> "Sources":
        for names in (
            [one.series_id for one in self.series], [one.source_id for one in self.sources],
        ):  # fmt: skip
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"stated twice: {', '.join(twice)}")
        known = {one.series_id for one in self.series}
        for source in self.sources:
            missing = sorted(set(_series_of(source)) - known)
            if missing:
                raise ValueError(f"{source.source_id} names unknown series: {', '.join(missing)}")
        return self


class SourcesError(ValueError):
    """The file of sources can't be used; says why, a line a mistake."""


def load(path: Path) -> Sources:
    """Returns what a file states.

    Raises:
        SourcesError: It can't be read or states something that can't be.
    """
    try:
        return TypeAdapter(Sources).validate_python(json.loads(path.read_text("utf-8")))
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}" for one in error.errors()
        ]
        raise SourcesError("\n".join(lines)) from error
    except (OSError, ValueError) as error:
        raise SourcesError(str(error)) from error


def _series_of(source: Source) -> list[str]:
    if isinstance(source, TradesSource):
        return [source.series_id]
    if isinstance(source, EmbeddedSource):
        return []
    return list(source.series.values())
