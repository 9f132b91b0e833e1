"""When price alerts fire. Pure; prices in millionths, quantities in lots, times in seconds.

A crossing needs a price on one side of the threshold, or on it, and then one strictly on the
other; the first price after arming never crosses.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

ABOVE, BELOW = 1, 2
CROSSES_UP, CROSSES_DOWN, CROSSES = 3, 4, 5
PCT_UP, PCT_DOWN = 6, 7
DAY_HIGH, DAY_LOW = 8, 9
VOLUME_ABOVE, SPREAD_ABOVE, OUTSIDE_RANGE = 10, 11, 12
ONCE, ONCE_PER_DAY, ONCE_PER_MINUTE = 1, 2, 3
# Prices of a window that are remembered; of more the oldest stand for their neighbours.
WINDOW_MAX: Final = 512
_DAY_S: Final = 86_400
_MINUTE_S: Final = 60
_MICRO: Final = 1_000_000
_OF_DAY: Final = frozenset({DAY_HIGH, DAY_LOW})
_TIMED: Final = frozenset({PCT_UP, PCT_DOWN, VOLUME_ABOVE})


@dataclass(frozen=True, slots=True)
class Rule:
    """What an alert waits for.

    Attributes:
        threshold_micro: Millionths; of PCT conditions per cent, of VOLUME_ABOVE lots.
        high_micro: Upper end of a range.
        window_s: How far back changes and volumes look.
        trigger: ONCE, ONCE_PER_DAY or ONCE_PER_MINUTE.
        cooldown_s: Least seconds between two firings.
    """

    condition: int
    threshold_micro: int
    high_micro: int = 0
    window_s: int = 0
    trigger: int = ONCE
    cooldown_s: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """What an alert remembers.

    Attributes:
        before_micro: The value before, None after arming.
        before_s: When that was.
        window: Times and values of the window, oldest first.
        fired_s: When it last fired, 0 for never.
    """

    before_micro: int | None = None
    before_s: int = 0
    window: tuple[tuple[int, int], ...] = field(default=())
    fired_s: int = 0


def step(rule: Rule, state: State, value_micro: int, at_s: int) -> tuple[State, bool]:
    """Returns what an alert remembers after a value, and whether it fires now."""
    window = _window(rule, state.window, value_micro, at_s)
    before = state.before_micro
    if rule.condition in _OF_DAY and at_s // _DAY_S != state.before_s // _DAY_S:
        before = None
    fires = _is_met(rule, before, window, value_micro) and _may_fire(rule, state.fired_s, at_s)
    fired_s = at_s if fires else state.fired_s
    return State(_kept(rule, before, value_micro), at_s, window, fired_s), fires


def rearmed(state: State) -> State:
    """Returns the state of an alert that waits anew; when it fired is not forgotten."""
    return replace(State(), fired_s=state.fired_s)


def _kept(rule: Rule, before_micro: int | None, value_micro: int) -> int:
    """Returns the value to compare the next one with; of a day's extremes the farthest."""
    if before_micro is None:
        return value_micro
    if rule.condition == DAY_HIGH:
        return max(before_micro, value_micro)
    if rule.condition == DAY_LOW:
        return min(before_micro, value_micro)
    return value_micro


def _is_met(rule: Rule, before: int | None, window: Sequence[tuple[int, int]], value: int) -> bool:
    limit = rule.threshold_micro
    if rule.condition in {ABOVE, SPREAD_ABOVE}:
        return value > limit
    if rule.condition == BELOW:
        return value < limit
    if rule.condition == OUTSIDE_RANGE:
        return value < limit or value > rule.high_micro
    if rule.condition in _TIMED:
        return _is_moved(rule, window, value)
    return before is not None and _is_passed(rule.condition, before, limit, value)


def _is_moved(rule: Rule, window: Sequence[tuple[int, int]], value: int) -> bool:
    values = [one for _, one in window]
    if rule.condition == VOLUME_ABOVE:
        return sum(values) * _MICRO > rule.threshold_micro
    farthest = min(values) if rule.condition == PCT_UP else max(values)
    change = value - farthest if rule.condition == PCT_UP else farthest - value
    return farthest > 0 and change * 100 * _MICRO >= rule.threshold_micro * farthest


def _is_passed(condition: int, before: int, limit: int, value: int) -> bool:
    up, down = before <= limit < value, before >= limit > value
    return {
        CROSSES_UP: up, CROSSES_DOWN: down, CROSSES: up or down,
        DAY_HIGH: value > before, DAY_LOW: value < before,
    }[condition]  # fmt: skip


def _window(
    rule: Rule, window: tuple[tuple[int, int], ...], value: int, at_s: int
) -> tuple[tuple[int, int], ...]:
    if rule.condition not in _TIMED:
        return ()
    kept = [one for one in window if one[0] > at_s - rule.window_s]
    kept.append((at_s, value))
    while len(kept) > WINDOW_MAX:
        kept[:2] = [_joined(rule, kept[0], kept[1])]
    return tuple(kept)


def _joined(rule: Rule, one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """Returns one entry for two; the later time, so that nothing outlives its window unseen."""
    if rule.condition == VOLUME_ABOVE:
        return other[0], one[1] + other[1]
    extreme = min if rule.condition == PCT_UP else max
    return other[0], extreme(one[1], other[1])


def _may_fire(rule: Rule, fired_s: int, at_s: int) -> bool:
    if not fired_s:
        return True
    if rule.cooldown_s and at_s - fired_s < rule.cooldown_s:
        return False
    if rule.trigger == ONCE_PER_DAY:
        return at_s // _DAY_S > fired_s // _DAY_S
    if rule.trigger == ONCE_PER_MINUTE:
        return at_s - fired_s >= _MINUTE_S
    return False
