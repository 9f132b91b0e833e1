"""How instruments trade: what is stated of one, and what follows the settings. Pure."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Final, NamedTuple

from farmgate.api.market.v1 import market_pb2
from farmgate.errors import DomainError, invalid
from farmgate.market import settlement
from farmgate.ports.matching import InstrumentRules

NONE: Final = "NONE"
FIXED: Final = "FIXED"
PCT: Final = "PCT"
VARIABLE: Final = "VARIABLE_7PCT"
LIMIT_MODES: Final = (NONE, FIXED, PCT, VARIABLE)
_EXPANSION: Final = Decimal("1.5")
_MAX_LOTS: Final = 10_000
_DEPOSIT_PCT: Final = Decimal(10)
_SHARE_MIN_LOTS: Final = 2
_SHARE_MIN_LOTS_MAX: Final = 255
_MICRO: Final = 10**6
_NS: Final = 10**9
_CENTI: Final = 100
_FIFO, _PRO_RATA, _SPLIT = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Terms:
    """What is stated of an instrument; what is 0 or empty follows the settings.

    Attributes:
        limit_mode: NONE, FIXED, PCT or VARIABLE_7PCT.
        limit_initial: How far a day's prices may go: an amount, or per cent for PCT.
        limit_expanded: The same after a settlement at a limit; empty for half as much again.
        limit_increment: Limits are whole multiples of this amount.
    """

    min_lots: int = 0
    max_lots: int = 0
    max_order_notional: str = ""
    band_ticks: int = 0
    protection_ticks: int = 0
    limit_mode: str = ""
    limit_initial: str = ""
    limit_expanded: str = ""
    limit_increment: str = ""
    position_limit_lots: int = 0
    maker_bps: str = ""
    taker_bps: str = ""
    deposit_pct: str = ""
    calendar_code: str = ""
    is_pro_rata: bool = False
    fifo_pct: int = 0
    min_prorata_lots: int = 0


NAMES: Final = tuple(field.name for field in fields(Terms))


class Defaults(NamedTuple):
    """What holds where an instrument states nothing."""

    maker_bps: Decimal
    taker_bps: Decimal
    band_pct: Decimal
    auction_s: int
    protection_ticks: int
    limit_mode: str
    calendar_code: str


class Reach(NamedTuple):
    """Lowest and highest price of a day, in ticks."""

    low: int
    high: int


def text_of(terms: Terms) -> str:
    """Returns terms as they are kept: JSON of what is stated."""
    return json.dumps({name: value for name, value in asdict(terms).items() if value})


def terms_of(text: str) -> Terms:
    """Returns terms as they were kept."""
    return Terms(**json.loads(text))


def core_rules(
    terms: Terms, defaults: Defaults, rules: InstrumentRules, reference_ticks: int
) -> InstrumentRules:
    """Returns an instrument's rules of the core under its terms.

    Args:
        terms: What is stated.
        defaults: What holds where nothing is.
        rules: The grid, and what terms do not change.
        reference_ticks: Price of which the band is a part.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    maker = _basis_points(terms.maker_bps, defaults.maker_bps, "maker_bps")
    taker = _basis_points(terms.taker_bps, defaults.taker_bps, "taker_bps")
    if taker < abs(maker):
        raise invalid("rules.taker_bps", "must not be below maker_bps, nor below a rebate")
    shares = terms.is_pro_rata
    if not shares and (terms.fifo_pct or terms.min_prorata_lots):
        raise invalid("rules.is_pro_rata", "must be set where fills are shared by size")
    if terms.min_prorata_lots > _SHARE_MIN_LOTS_MAX:
        raise invalid("rules.min_prorata_lots", f"must be at most {_SHARE_MIN_LOTS_MAX}")
    if terms.position_limit_lots and rules["kind"] != market_pb2.INSTRUMENT_KIND_FORWARD:
        raise invalid("rules.position_limit_lots", "goes with forwards")
    least, most = terms.min_lots or 1, terms.max_lots or _MAX_LOTS
    if least > most:
        raise invalid("rules.min_lots", "must not be above max_lots")
    band = int((reference_ticks * defaults.band_pct / 100).to_integral_value(ROUND_HALF_UP))
    changed: InstrumentRules = rules | {
        "min_lots": least,
        "max_lots": most,
        "max_notional_minor": int(Decimal(terms.max_order_notional or 0).scaleb(4)),
        "band_ticks": terms.band_ticks or max(1, band),
        "volatility_auction_ns": defaults.auction_s * _NS,
        "protection_ticks": terms.protection_ticks or defaults.protection_ticks,
        "maker_fee_centi_bps": maker,
        "taker_fee_centi_bps": taker,
        "deposit_bps": _deposit_bps(terms, rules["kind"]),
        "allocation": (_SPLIT if terms.fifo_pct else _PRO_RATA) if shares else _FIFO,
        "fifo_percent": terms.fifo_pct,
        "position_limit_lots": terms.position_limit_lots,
        "share_min_lots": (terms.min_prorata_lots or _SHARE_MIN_LOTS) if shares else 0,
    }
    return changed


def limits_after(
    terms: Terms, defaults: Defaults, settlements_ticks: Sequence[int], rules: InstrumentRules,
    *, is_expanded: bool,
) -> Reach:  # fmt: skip
    """Returns the prices of the day after the last of some settlements.

    Args:
        terms: What is stated.
        defaults: What holds where nothing is.
        settlements_ticks: Oldest first, at least one.
        rules: The grid.
        is_expanded: Whether the day settled at a limit.
    """
    mode = terms.limit_mode or defaults.limit_mode
    last = settlements_ticks[-1]
    lowest, highest = rules["price_min"], rules["price_max"]
    if mode == NONE:
        return Reach(lowest, highest)
    tick = rules["tick_size_micro"]
    if mode == VARIABLE:
        increment = settlement.INCREMENT_TICKS
        if terms.limit_increment:
            increment = ticks_of(terms.limit_increment, tick, "rules.limit_increment")
        found = settlement.limits(settlements_ticks, increment)
        reach = found.expanded_ticks if is_expanded else found.initial_ticks
    else:
        reach = _reach(terms, mode, last, tick, is_expanded=is_expanded)
    # What an instrument can hold never changes, and a settlement lies within it.
    return Reach(max(lowest, last - reach), min(highest, last + reach))


def check_limits(terms: Terms, defaults: Defaults, tick_micro: int) -> None:
    """Checks what is stated about limits.

    Raises:
        DomainError: INVALID_ARGUMENT or PRICE_TICK.
    """
    mode = terms.limit_mode or defaults.limit_mode
    needs = mode in {FIXED, PCT}
    if needs != bool(terms.limit_initial and Decimal(terms.limit_initial)):
        rule = "must be positive" if needs else "goes with the modes FIXED and PCT"
        raise invalid("rules.limit_initial", rule)
    if terms.limit_expanded:
        if not needs:
            raise invalid("rules.limit_expanded", "goes with the modes FIXED and PCT")
        if Decimal(terms.limit_expanded) < Decimal(terms.limit_initial):
            raise invalid("rules.limit_expanded", "must not be below limit_initial")
    if terms.limit_increment and mode != VARIABLE:
        raise invalid("rules.limit_increment", "goes with the mode VARIABLE_7PCT")
    for name in ("limit_initial", "limit_expanded") if mode == FIXED else ("limit_increment",):
        if text := getattr(terms, name):
            ticks_of(text, tick_micro, f"rules.{name}")


def ticks_of(text: str, tick_micro: int, field: str) -> int:
    """Returns a decimal in ticks.

    Raises:
        DomainError: PRICE_TICK; INVALID_ARGUMENT when it is not positive.
    """
    micro = int(Decimal(text).scaleb(6))
    if micro <= 0:
        raise invalid(field, "must be positive")
    ticks, rest = divmod(micro, tick_micro)
    if rest:
        raise DomainError("PRICE_TICK", price=text, tick=f"{Decimal(tick_micro) / _MICRO:f}")
    return ticks


def _reach(terms: Terms, mode: str, last: int, tick_micro: int, *, is_expanded: bool) -> int:
    size = Decimal(terms.limit_initial)
    if is_expanded:
        size = Decimal(terms.limit_expanded) if terms.limit_expanded else size * _EXPANSION
    if mode == PCT:
        return max(1, int((last * size / 100).to_integral_value(ROUND_HALF_UP)))
    return int((size.scaleb(6) / tick_micro).to_integral_value(ROUND_CEILING))


def _basis_points(stated: str, default: Decimal, field: str) -> int:
    centi = (Decimal(stated) if stated else default) * _CENTI
    if centi != int(centi):
        raise invalid(f"rules.{field}", "must have at most two decimals")
    return int(centi)


def _deposit_bps(terms: Terms, kind: int) -> int:
    if kind != market_pb2.INSTRUMENT_KIND_FORWARD:
        if terms.deposit_pct:
            raise invalid("rules.deposit_pct", "goes with forwards")
        return 0
    percent = Decimal(terms.deposit_pct) if terms.deposit_pct else _DEPOSIT_PCT
    if percent * _CENTI != int(percent * _CENTI) or percent > 100:  # noqa: PLR2004 - Per cent.
        raise invalid("rules.deposit_pct", "must be at most 100, with two decimals")
    return int(percent * _CENTI)
