"""Looks at everything the exchange needs."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from farmgate.errors import DomainError
from farmgate.ports.clock import Clock

# What has not answered by then is not healthy; balancers give up soon after.
_PROBE_S: Final = 1.0
# Anybody may ask: however many do, each thing is looked at so often only.
_KEPT_S: Final = 0.5


class Unwell(Exception):  # noqa: N818 - What a probe says, and no fault of the program.
    """Something is not well; the words are told to anybody who asks."""


@dataclass(frozen=True, slots=True)
class Check:
    """Something the exchange needs.

    Attributes:
        name: Name, such as "database".
        is_required: Whether the exchange can't work without it.
        probe: Returns what is worth telling, in words without secrets; raises when it does not
            work.
    """

    name: str
    is_required: bool
    probe: Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    name: str
    is_required: bool
    is_healthy: bool
    detail: str
    latency_us: int


@dataclass(frozen=True, slots=True)
class Report:
    """What all checks found.

    Attributes:
        is_ready: Whether calls can be taken.
        mode: "embedded" or "production".
        version: Version of Farmgate.
        findings: One for each check, in their order.
    """

    is_ready: bool
    mode: str
    version: str
    findings: tuple[Finding, ...]


class Health:
    """Tells whether calls can be taken.

    Args:
        checks: What to look at.
        mode: "embedded" or "production".
        version: Version of Farmgate.
        clock: Tells the time.
    """

    def __init__(self, checks: Sequence[Check], *, mode: str, version: str, clock: Clock) -> None:
        self._checks = tuple(checks)
        self._mode = mode
        self._version = version
        self._monotonic = clock.monotonic
        self._is_leaving = False
        self._lock = asyncio.Lock()
        self._kept: tuple[float, tuple[Finding, ...]] | None = None

    def leave(self) -> None:
        """Makes the server not ready for good: it is about to stop."""
        self._is_leaving = True

    async def report(self) -> Report:
        """Returns what the checks found, at most half a second ago."""
        async with self._lock:
            if self._kept is None or self._monotonic() - self._kept[0] > _KEPT_S:
                found = await asyncio.gather(*map(self._look, self._checks))
                self._kept = (self._monotonic(), tuple(found))
            findings = self._kept[1]
        is_well = all(one.is_healthy for one in findings if one.is_required)
        return Report(is_well and not self._is_leaving, self._mode, self._version, findings)

    @property
    def last(self) -> tuple[Finding, ...]:
        """Returns what was found last, without looking."""
        return self._kept[1] if self._kept else ()

    async def ready_report(self) -> Report:
        """Returns what the checks found when calls can be taken.

        Raises:
            DomainError: DEPENDENCY_DOWN or UNAVAILABLE.
        """
        report = await self.report()
        for finding in report.findings:
            if finding.is_required and not finding.is_healthy:
                raise DomainError("DEPENDENCY_DOWN", name=finding.name)
        if not report.is_ready:
            raise DomainError("UNAVAILABLE")
        return report

    async def _look(self, check: Check) -> Finding:
        started = self._monotonic()
        is_healthy = False
        try:
            async with asyncio.timeout(_PROBE_S):
                detail = await check.probe()
            is_healthy = True
        except TimeoutError:
            detail = f"No answer within {_PROBE_S:g} s."
        except DomainError as error:
            detail = error.reason
        except Unwell as error:
            detail = str(error)
        except Exception as error:  # noqa: BLE001 - Whatever a probe raises is what it found.
            # Its words may hold addresses and names; its kind does not.
            detail = type(error).__name__
        latency_us = round((self._monotonic() - started) * 1_000_000)
        return Finding(check.name, check.is_required, is_healthy, detail, latency_us)
