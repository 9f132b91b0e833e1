"""Candles come out the same however trades come in."""

import random
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from farmgate.market import bars
from farmgate.market.bars import DAY, HALF_HOUR, MINUTE, WEEK, Bar, Bucket, Trade
from farmgate.market.calendars import CALENDARS, DEFAULT

START_S = int(datetime(2026, 3, 6, 20, tzinfo=UTC).timestamp())
NS = 1_000_000_000


@st.composite
def trading(draw: st.DrawFn) -> list[Trade]:
    """Trades of two instruments over some days, in order of time as the core numbers them."""
    count = draw(st.integers(1, 60))
    steps = draw(st.lists(st.integers(0, 9_000), min_size=count, max_size=count))
    found, time_s = [], START_S
    for number, step in enumerate(steps, start=1):
        time_s += step
        found.append(
            Trade(
                number * 3, draw(st.integers(1, 2)), draw(st.integers(1, 500)),
                draw(st.integers(1, 50)), time_s * NS + draw(st.integers(0, NS - 1)) // NS,
            )
        )  # fmt: skip
    return found


def slow(trades: list[Trade], interval: int) -> dict[Bucket, Bar]:
    """The obvious way: sort, look at each trade, in whole."""
    buckets: dict[Bucket, list[Trade]] = {}
    for one in sorted(trades):
        start = bars.opening(interval, one.time_ns // NS, DEFAULT)
        buckets.setdefault(Bucket(one.instrument, interval, start), []).append(one)
    return {
        at: Bar(
            of[0].price_ticks,
            max(one.price_ticks for one in of),
            min(one.price_ticks for one in of),
            of[-1].price_ticks,
            sum(one.quantity_lots for one in of),
            sum(one.price_ticks * one.quantity_lots for one in of),
            len(of),
            of[0].trade_id,
            of[-1].trade_id,
        )
        for at, of in buckets.items()
    }


@given(trading(), st.randoms(use_true_random=False))
def test_shuffled_and_repeated_trades_make_the_same_bars(
    trades: list[Trade], chance: random.Random
) -> None:
    """MKT-020."""
    expected = slow(trades, MINUTE)
    muddled = trades + chance.choices(trades, k=len(trades))
    chance.shuffle(muddled)
    assert bars.minutes(muddled) == expected
    assert sum(bar.volume_lots for bar in expected.values()) == sum(
        one.quantity_lots for one in trades
    )


@given(trading())
def test_longer_bars_are_the_same_by_every_way(trades: list[Trade]) -> None:
    """MKT-021: 1m to 5m to 1h is 1m to 1h is the hour's trades at once; so is every interval."""
    calendar = CALENDARS["CBOT_GRAINS"]
    by_minute = sorted(bars.minutes(trades).items())
    five = sorted(bars.rolled(by_minute, 2, DEFAULT).items())
    assert bars.rolled(five, 5, DEFAULT) == bars.rolled(by_minute, 5, DEFAULT) == slow(trades, 5)
    half = sorted(bars.rolled(by_minute, HALF_HOUR, calendar).items())
    day = sorted(bars.rolled(half, DAY, calendar).items())
    assert dict(day) == bars.rolled(by_minute, DAY, calendar)
    assert bars.rolled(day, WEEK, calendar) == bars.rolled(by_minute, WEEK, calendar)
    for interval in range(1, 9):
        assert bars.rolled(by_minute, interval, DEFAULT) == slow(trades, interval)


@given(trading(), st.integers(0, 60), st.randoms(use_true_random=False))
def test_parts_merge_in_any_order(trades: list[Trade], cut: int, chance: random.Random) -> None:
    """MKT-020: whatever trades come together, and whichever of the parts comes first."""
    chance.shuffle(trades)
    one, other = bars.minutes(trades[:cut]), bars.minutes(trades[cut:])
    for first, second in ((one, other), (other, one)):
        both = dict(first)
        for at, bar in second.items():
            both[at] = bars.merge(both[at], bar) if at in both else bar
        assert both == bars.minutes(trades)


@given(
    st.integers(START_S - 10**8, START_S + 10**8),
    st.integers(1, 8),
    st.sampled_from(sorted(CALENDARS)),
)
def test_a_moment_lies_in_its_interval(time_s: int, interval: int, code: str) -> None:
    """MKT-022: intervals are half open, follow one another, and longer ones hold shorter ones."""
    calendar = CALENDARS[code]
    start = bars.opening(interval, time_s, calendar)
    end = bars.closing(interval, start, calendar)
    assert start <= time_s < end
    assert bars.opening(interval, end, calendar) == end
    stored, parts = bars.PARTS[interval]
    first = bars.opening(stored, start, calendar)
    assert first == start
    count = 0
    while first < end:
        first, count = bars.closing(stored, first, calendar), count + 1
    assert first == end
    assert count <= parts


def test_days_and_weeks_begin_by_the_market_clock() -> None:
    """MKT-022: the evening before in Chicago; a week with its Monday."""
    calendar = CALENDARS["CBOT_GRAINS"]
    sunday = int(datetime(2026, 7, 12, 22, 30, tzinfo=UTC).timestamp())
    opening = int(datetime(2026, 7, 12, 21, tzinfo=UTC).timestamp())
    assert bars.opening(DAY, sunday, calendar) == opening
    assert bars.opening(WEEK, sunday + 4 * 86_400, calendar) == opening
    assert bars.closing(WEEK, opening, calendar) == opening + 7 * 86_400
