"""When price alerts fire."""

import pytest

from farmgate.market import alert_rules
from farmgate.market.alert_rules import Rule, State, step

MICRO = 1_000_000


def fired(rule: Rule, *values: int, every_s: int = 1) -> list[int]:
    """Returns which values, by place, fired."""
    state, found = State(), []
    for place, value in enumerate(values):
        state, fires = step(rule, state, value, 86_400 * 20_000 + place * every_s)
        if fires:
            found.append(place)
    return found


def repeating(condition: int, threshold: int, **given: int) -> Rule:
    return Rule(condition, threshold, trigger=alert_rules.ONCE_PER_MINUTE, **given)


@pytest.mark.parametrize(
    ("condition", "values", "places"),
    [
        (alert_rules.CROSSES_UP, (11, 12, 9, 11), [3]),
        (alert_rules.CROSSES_UP, (9, 10, 11), [2]),
        (alert_rules.CROSSES_UP, (10, 11), [1]),
        (alert_rules.CROSSES_UP, (9, 10, 9, 10), []),
        (alert_rules.CROSSES_DOWN, (9, 11, 10, 9), [3]),
        (alert_rules.CROSSES, (9, 11, 9, 11), [1, 2, 3]),
        (alert_rules.ABOVE, (11, 9, 12), [0, 2]),
        (alert_rules.BELOW, (10, 9), [1]),
        (alert_rules.DAY_HIGH, (10, 9, 10, 11), [3]),
        (alert_rules.DAY_LOW, (10, 11, 9), [2]),
    ],
)
def test_conditions(condition: int, values: tuple[int, ...], places: list[int]) -> None:
    """MKT-060: the first price after arming never crosses; a crossing ends strictly beyond."""
    assert fired(repeating(condition, 10), *values, every_s=61) == places


def test_windows_and_ranges() -> None:
    """MKT-061."""
    up = repeating(alert_rules.PCT_UP, 5 * MICRO, window_s=100)
    assert fired(up, 1_000, 1_040, 1_050, every_s=61) == []
    assert fired(up, 1_000, 1_050, every_s=61) == [1]
    volume = repeating(alert_rules.VOLUME_ABOVE, 10 * MICRO, window_s=100)
    assert fired(volume, 6, 5, 4, every_s=61) == [1]
    outside = repeating(alert_rules.OUTSIDE_RANGE, 10, high_micro=20)
    assert fired(outside, 10, 20, 9, 21, every_s=61) == [2, 3]


def test_triggers_and_cooldown() -> None:
    """MKT-062."""
    assert fired(Rule(alert_rules.ABOVE, 10), 11, 12, 13) == [0]
    assert fired(repeating(alert_rules.ABOVE, 10), 11, 11, 11, 11, every_s=30) == [0, 2]
    cooled = repeating(alert_rules.ABOVE, 10, cooldown_s=180)
    assert fired(cooled, 11, 11, 11, 11, every_s=61) == [0, 3]
    daily = Rule(alert_rules.ABOVE, 10, trigger=alert_rules.ONCE_PER_DAY)
    assert fired(daily, 11, 11, 11, 11, every_s=43_200) == [0, 2]


def test_a_window_is_bounded() -> None:
    rule = repeating(alert_rules.VOLUME_ABOVE, 10**15, window_s=10**6)
    state = State()
    for place in range(2_000):
        state, _ = step(rule, state, 1, place)
    assert len(state.window) == alert_rules.WINDOW_MAX
    assert sum(lots for _, lots in state.window) == 2_000
