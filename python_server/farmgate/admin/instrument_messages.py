"""Instruments as operators see them, as messages."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from farmgate.admin.messages import moment
from farmgate.api.admin.v1 import instrument_types_pb2, instruments_pb2
from farmgate.errors import invalid
from farmgate.market.facade import TERM_NAMES, Draft, Listed, Terms, decimal, instrument_message

_PREFIX: Final = "PRICE_LIMIT_MODE_"
_SYMBOL: Final = re.compile(r"[A-Z0-9]+(-[A-Z0-9]+)*")
_CASH: Final = 10**4
_CENTI: Final = 100
_SPLIT: Final = 3
_FIFO: Final = 1


def _mode_name(mode: int) -> str:
    """Returns the name of a mode of limits, empty for none."""
    if not mode:
        return ""
    kind = instrument_types_pb2.PriceLimitMode
    return kind.Name(kind.ValueType(mode)).removeprefix(_PREFIX)


def _values(rules: instrument_types_pb2.InstrumentRules) -> dict[str, Any]:
    values = {name: getattr(rules, name) for name in TERM_NAMES if name != "limit_mode"}
    return values | {"limit_mode": _mode_name(rules.limit_mode)}


def terms_values(
    rules: instrument_types_pb2.InstrumentRules, paths: Sequence[str]
) -> dict[str, Any]:
    """Returns the values that a mask names.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    names = [path.removeprefix("rules.") for path in paths]
    if not names or not set(names) <= set(TERM_NAMES):
        raise invalid("update_mask", f"must name some of {', '.join(TERM_NAMES)}")
    values = _values(rules)
    return {name: values[name] for name in names}


def draft_of(request: instruments_pb2.CreateInstrumentRequest) -> Draft:
    """Returns an instrument to list.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    if not _SYMBOL.fullmatch(request.symbol):
        raise invalid("symbol", "must be capital letters and digits, with single hyphens between")
    return Draft(
        symbol=request.symbol,
        kind=request.kind,
        commodity_code=request.commodity_code,
        grade_code=request.grade_code,
        location_code=request.location_code,
        quote_currency=request.quote_currency,
        unit=request.unit,
        lot_size=request.lot_size,
        tick_size=request.tick_size,
        start_price=request.start_price,
        delivery_start=_day(request.delivery_start, "delivery_start"),
        delivery_end=_day(request.delivery_end, "delivery_end"),
        first_trade_at=_at(request.first_trade_time, present=request.HasField("first_trade_time")),
        last_trade_at=_at(request.last_trade_time, present=request.HasField("last_trade_time")),
        terms=Terms(**_values(request.rules)),
    )


def _at(message: Timestamp, *, present: bool) -> datetime | None:
    return moment(message) if present else None


def _day(text: str, field: str) -> str:
    if text:
        try:
            datetime.fromisoformat(text)
        except ValueError:
            raise invalid(field, "must be a day of the calendar") from None
    return text


def rules_message(listed: Listed) -> instrument_types_pb2.InstrumentRules:
    """Returns how an instrument trades: what is stated of it, and what follows the settings."""
    rules, terms = listed.rules, listed.terms
    notional = rules["max_notional_minor"]
    allocation = rules.get("allocation", _FIFO)
    mode = f"{_PREFIX}{terms.limit_mode or 'UNSPECIFIED'}"
    return instrument_types_pb2.InstrumentRules(
        min_lots=rules["min_lots"],
        max_lots=rules["max_lots"],
        max_order_notional=decimal(notional, _CASH) if notional else "",
        band_ticks=rules.get("band_ticks", 0),
        protection_ticks=rules["protection_ticks"],
        limit_mode=instrument_types_pb2.PriceLimitMode.Value(mode),
        limit_initial=terms.limit_initial,
        limit_expanded=terms.limit_expanded,
        limit_increment=terms.limit_increment,
        position_limit_lots=rules.get("position_limit_lots", 0),
        maker_bps=decimal(rules["maker_fee_centi_bps"], _CENTI),
        taker_bps=decimal(rules["taker_fee_centi_bps"], _CENTI),
        deposit_pct=decimal(rules["deposit_bps"], _CENTI) if rules["deposit_bps"] else "",
        calendar_code=listed.row.calendar_code,
        is_pro_rata=allocation != _FIFO,
        fifo_pct=rules.get("fifo_percent", 0),
        min_prorata_lots=rules.get("share_min_lots", 0),
    )


def listed_message(listed: Listed, usage: tuple[int, int]) -> instrument_types_pb2.ListedInstrument:
    """Returns an instrument with what is open in it."""
    orders, lots = usage
    return instrument_types_pb2.ListedInstrument(
        instrument=instrument_message(listed.market, listed.row),
        rules=rules_message(listed),
        open_orders=orders,
        open_interest_lots=lots,
    )
