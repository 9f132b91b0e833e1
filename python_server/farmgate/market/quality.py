"""Which observations look wrong. Pure; the only place of the market where floats are right.

A value is set aside when its change from the last accepted one is larger than both 15 % and ten
times what is usual for the series; three set aside in a row that agree are a new level.
"""

import itertools
import math
from collections.abc import Sequence
from statistics import median
from typing import Final

_LEAST: Final = 0.15
_TIMES: Final = 10.0
_CHANGES: Final = 250
# Values that are looked back at.
VALUES: Final = _CHANGES + 1
# Makes the median of absolute deviations comparable to a standard deviation of the normal law.
_MAD_TO_SD: Final = 1.4826
LEVEL_SHIFT: Final = 3


def bound(accepted: Sequence[int]) -> float:
    """Returns how large a logarithmic change may be after these accepted values."""
    newest = accepted[-VALUES:]
    changes = [math.log(later / earlier) for earlier, later in itertools.pairwise(newest)]
    if not changes:
        return _LEAST
    middle = median(changes)
    deviation = _MAD_TO_SD * median(abs(change - middle) for change in changes)
    half_rms = math.sqrt(sum(change * change for change in changes) / len(changes)) / 2
    return max(_LEAST, _TIMES * max(deviation, half_rms))


def doubt(value: int, accepted: Sequence[int]) -> str:
    """Returns why a value looks wrong after accepted ones, or nothing."""
    if value <= 0:
        return "NOT_POSITIVE"
    if accepted and abs(math.log(value / accepted[-1])) > bound(accepted):
        return "JUMP"
    return ""


def is_level(values: Sequence[int], accepted: Sequence[int]) -> bool:
    """Returns whether values set aside in a row agree, so that they are a new level."""
    newest = values[-LEVEL_SHIFT:]
    if len(newest) < LEVEL_SHIFT or min(newest) <= 0:
        return False
    return math.log(max(newest) / min(newest)) <= bound(accepted)
