"""A fan chart as SVG: prices of late, the median, and the 50, 80 and 95 % ranges. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from math import floor, log10
from typing import Final

WIDTH: Final = 880
HEIGHT: Final = 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 24, 52, 44
_RANGES: Final = ((0, 6, "#dcebd6", "95 %"), (1, 5, "#b4d5a6", "80 %"), (2, 4, "#7fb56c", "50 %"))
_GRID_LINES: Final = 6
_DATE_LABELS: Final = 7
_OPENING: Final = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
    'aria-labelledby="title desc" font-family="system-ui, sans-serif" font-size="12">'
)


@dataclass(frozen=True, slots=True)
class Fan:
    """What a chart shows.

    Attributes:
        title: Above it.
        note: Below the title: what past forecasts were worth.
        unit: Of the prices, such as "USD/bu".
        history: Days and prices, oldest first.
        points: Days and seven quantiles, soonest first.
    """

    title: str
    note: str
    unit: str
    history: Sequence[tuple[date, float]]
    points: Sequence[tuple[date, Sequence[float]]]


def svg(fan: Fan) -> str:
    """Returns the chart."""
    days = [day for day, _ in fan.history] + [day for day, _ in fan.points]
    values = [price for _, price in fan.history]
    values += [price for _, quantiles in fan.points for price in (quantiles[0], quantiles[-1])]
    plot = _Plot(days[0], days[-1], min(values), max(values))
    parts = [
        _OPENING,
        f'<title id="title">{escape(fan.title)}</title>',
        f'<desc id="desc">{escape(_description(fan))}</desc>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="22" font-size="16" font-weight="600">{escape(fan.title)}</text>',
        f'<text x="{_LEFT}" y="40" fill="#555555">{escape(fan.note)}</text>',
        *plot.grid(fan.unit),
        *_fans(fan, plot),
    ]
    seen = " ".join(plot.place(day, price) for day, price in fan.history)
    parts.append(f'<polyline points="{seen}" fill="none" stroke="#222222" stroke-width="1.6"/>')
    middle = [fan.history[-1]] if fan.history else []
    middle += [(day, quantiles[3]) for day, quantiles in fan.points]
    line = " ".join(plot.place(day, price) for day, price in middle)
    parts.append(
        f'<polyline points="{line}" fill="none" stroke="#2f6b1f" stroke-width="2" '
        'stroke-dasharray="5 3"/>'
    )
    return "".join([*parts, *_legend(), "</svg>"])


class _Plot:
    """Places days and prices."""

    def __init__(self, first: date, last: date, low: float, high: float) -> None:
        room = (high - low) * 0.06 or abs(high) * 0.05 or 1.0
        self._first, self._last = first, last
        self._low, self._high = low - room, high + room
        self._span = max((last - first).days, 1)

    def x(self, day: date) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * (day - self._first).days / self._span

    def y(self, price: float) -> float:
        share = (price - self._low) / (self._high - self._low)
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * share

    def place(self, day: date, price: float) -> str:
        return f"{self.x(day):.1f},{self.y(price):.1f}"

    def grid(self, unit: str) -> list[str]:
        """Returns lines and labels of both axes."""
        parts = [f'<text x="{_LEFT - 8}" y="{_TOP - 6}" text-anchor="end">{escape(unit)}</text>']
        step = _nice((self._high - self._low) / _GRID_LINES)
        count = floor(self._high / step) - floor(self._low / step)
        for index in range(1, count + 1):
            price = (floor(self._low / step) + index) * step
            y = f"{self.y(price):.1f}"
            parts.append(
                f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}" stroke="#e6e6e6"/>'
                f'<text x="{_LEFT - 8}" y="{y}" dy="4" text-anchor="end">{price:.6g}</text>'
            )
        for index in range(_DATE_LABELS):
            days = round(self._span * index / (_DATE_LABELS - 1))
            day = date.fromordinal(self._first.toordinal() + days)
            anchor = "end" if index == _DATE_LABELS - 1 else "middle"
            parts.append(
                f'<text x="{self.x(day):.1f}" y="{HEIGHT - _BOTTOM + 18}" '
                f'text-anchor="{anchor}">{day.isoformat()}</text>'
            )
        return parts


def _fans(fan: Fan, plot: _Plot) -> list[str]:
    """Returns the ranges, widest first; they begin at the last price."""
    start = [(day, (price,) * 7) for day, price in fan.history[-1:]]
    points: list[tuple[date, Sequence[float]]] = [*start, *fan.points]
    parts = []
    for low, high, colour, _ in _RANGES:
        up = [plot.place(day, quantiles[high]) for day, quantiles in points]
        down = [plot.place(day, quantiles[low]) for day, quantiles in reversed(points)]
        parts.append(f'<polygon points="{" ".join(up + down)}" fill="{colour}"/>')
    return parts


def _legend() -> list[str]:
    parts = []
    for index, (_, _, colour, words) in enumerate(reversed(_RANGES)):
        x = WIDTH - _RIGHT - 190 + 64 * index
        parts.append(
            f'<rect x="{x}" y="12" width="14" height="12" fill="{colour}"/>'
            f'<text x="{x + 18}" y="22">{words}</text>'
        )
    return parts


def _description(fan: Fan) -> str:
    day, quantiles = fan.points[-1]
    return (
        f"On {day.isoformat()} the median is {quantiles[3]:.6g} {fan.unit}; 80 of 100 prices are "
        f"expected from {quantiles[1]:.6g} to {quantiles[5]:.6g}. {fan.note}"
    )


def _nice(step: float) -> float:
    """Returns a step of 1, 2 or 5 times a power of ten, not below the one given."""
    power: float = 10.0 ** floor(log10(step))
    for factor in (1, 2, 5):
        if step <= factor * power:
            return factor * power
    return 10 * power
