"""What is wrong with settings, in words."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any


def mistyped(names: Iterable[str], known: Sequence[str]) -> list[str]:
    """Returns what is wrong with names that look like settings and are none."""
    prefix = known[0].partition("_")[0] + "_"
    mistakes = []
    for name in sorted(names):
        if name.upper().startswith(prefix) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else "."
            mistakes.append(f"{name} is not a setting{hint}")
    return mistakes


def words(error: Any, prefix: str) -> str:
    """Returns an error of pydantic's as a sentence about a setting."""
    place = error["loc"][0] if error["loc"] else ""
    name = place if str(place).startswith((prefix, "DATABASE")) else f"{prefix}{place}".upper()
    return f"{name}: {error['msg'].removeprefix('Value error, ')}."
