"""Instruments in the matching core: listing them, their rules, their day's prices, their phase."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from farmgate import _matching
from farmgate.ports.matching_shapes import InstrumentMarket, InstrumentRules


class Instruments(ABC):
    """The part of the core's port that is about instruments."""

    _engine: _matching.Engine

    @abstractmethod
    async def _ask(self, submit: Callable[..., None], *arguments: Any) -> Any:
        """Submits a command and returns its answer."""

    async def define_instrument(self, rules: InstrumentRules) -> int:
        """Lists an instrument or changes its rules; returns its number."""
        number, *_ = await self._ask(self._engine.define_instrument, rules)
        return int(number)

    async def update_instrument(self, rules: InstrumentRules) -> int:
        """Replaces the rules of a listed instrument, but for its phase and the day's prices.

        Returns:
            The sequence.

        Raises:
            DomainError: INSTRUMENT_UNKNOWN; INVALID_ARGUMENT; AMEND_NOT_ALLOWED when open orders
                would cost something else.
        """
        _, sequence, _ = await self._ask(self._engine.update_instrument, rules)
        return int(sequence)

    async def set_price_limits(self, instrument: int, low_ticks: int, high_ticks: int) -> int:
        """Moves the prices of the day; returns the sequence.

        Raises:
            DomainError: INSTRUMENT_UNKNOWN; PRICE_RANGE for what the instrument can't hold.
        """
        submit = self._engine.set_price_limits
        _, sequence, _ = await self._ask(submit, instrument, low_ticks, high_ticks)
        return int(sequence)

    async def set_phase(self, instrument: int, phase: int) -> None:
        """Moves an instrument to a phase.

        Raises:
            DomainError: AMEND_NOT_ALLOWED when orders or positions keep it from being delisted.
        """
        await self._ask(self._engine.set_phase, instrument, phase)

    def instruments(self, symbols: list[str] | None = None) -> list[InstrumentMarket]:
        """Returns instruments with rules and market; unknown symbols are left out."""
        return self._engine.instruments(symbols)

    def instrument_record(self, symbol: str) -> bytes | None:
        """Returns an instrument's rules for a `Simulation`; None for an unknown symbol."""
        return self._engine.instrument_record(symbol)

    def instrument_rules(self, symbol: str) -> InstrumentRules | None:
        """Returns an instrument's rules as `define_instrument` takes them, None for none."""
        return self._engine.instrument_rules(symbol)

    def usage(self, instrument: int) -> tuple[int, int]:
        """Returns the open orders of an instrument and the lots bought and not sold again."""
        return self._engine.instrument_usage(instrument)
