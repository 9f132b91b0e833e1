"""The demonstration's prices are the same on every machine."""

import hashlib
from datetime import UTC, date, datetime

from farmgate.market import demo_prices
from farmgate.market.bars import DAY, HALF_HOUR, MINUTE
from farmgate.market.catalogue import COMMODITIES

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CORN = COMMODITIES[0]


def test_prices_have_one_hash() -> None:
    """MKT-070."""
    bars = demo_prices.bars_of("CORN-US2Y-CHI", CORN, NOW)
    told = list(demo_prices.reference_observations(NOW.date(), NOW.date(), 60))
    digest = hashlib.sha256(repr((bars, told)).encode()).hexdigest()
    assert digest == "6fdaec54a66e26197c4d40024bdb09712227d3e2cde5a152a91279657a46b0e8"
    assert len(bars[DAY]) == 730


def test_bars_fit_one_another() -> None:
    """MKT-070: longer ones are of shorter ones, and all have prices in their order."""
    bars = demo_prices.bars_of("CORN-US2Y-CHI", CORN, NOW)
    for rows in bars.values():
        for _, opening, high, low, close, volume, notional, count in rows:
            assert 0 < low <= min(opening, close) <= max(opening, close) <= high
            assert low * volume <= notional <= high * volume
            assert 0 < count <= volume
    volumes = [sum(row[5] for row in bars[interval]) for interval in (MINUTE, HALF_HOUR)]
    assert volumes[0] == volumes[1] == sum(row[5] for row in bars[DAY][-30:])


def test_what_was_told_stays_when_days_pass() -> None:
    """MKT-070: tomorrow's prices of today are today's."""
    anchor = date(2026, 6, 1)
    today = {
        (one.series_id, one.valid_on): one.value_micro
        for one in demo_prices.reference_observations(anchor, anchor, 30)
    }
    later = {
        (one.series_id, one.valid_on): one.value_micro
        for one in demo_prices.reference_observations(anchor, date(2026, 6, 11), 30)
    }
    shared = today.keys() & later.keys()
    assert len(shared) > 100
    assert all(today[key] == later[key] for key in shared)
