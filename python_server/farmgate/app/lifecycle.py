"""What the process starts and stops."""

from collections.abc import Sequence
from typing import Protocol

from farmgate.telemetry.logs import logger

_log = logger(__name__)


class Component(Protocol):
    """Something that runs while the process does."""

    async def start(self) -> None:
        """Starts; when it returns, what comes later may use it."""

    async def stop(self) -> None:
        """Stops and gives back what it holds. It is called once, and only after `start`."""


class Components:
    """Starts components in their order and stops them in the opposite one."""

    def __init__(self, components: Sequence[Component]) -> None:
        self._components = tuple(components)
        self._running: list[Component] = []

    async def start(self) -> None:
        """Starts all, or none: when one fails, those before it are stopped again."""
        try:
            for component in self._components:
                await component.start()
                self._running.append(component)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stops those that run. One that fails to stop does not keep the others from it.

        Raises:
            ExceptionGroup: Of everything that failed.
        """
        failures: list[Exception] = []
        while self._running:
            component = self._running.pop()
            try:
                await component.stop()
            except Exception as error:  # noqa: BLE001 - It is raised below, after the others stopped.
                _log.exception("component did not stop", component=type(component).__name__)
                failures.append(error)
        if failures:
            raise ExceptionGroup("Components did not stop.", failures)
