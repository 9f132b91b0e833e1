"""Rules and market of instruments as messages."""

from decimal import Decimal
from typing import Any

from sqlalchemy import Row

from farmgate.api.market.v1 import market_pb2
from farmgate.ports.matching import InstrumentMarket

_MICRO = 10**6
_CASH = 10**4
_COMMODITY = 10**3
_CENTI_BPS = 100


def decimal(value: int, unit: int) -> str:
    """Returns a count of 1/unit as a decimal without trailing zeros."""
    sign, value = ("-", -value) if value < 0 else ("", value)
    whole, rest = divmod(value, unit)
    fraction = f"{rest:0{len(str(unit)) - 1}d}".rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def micro(text: str) -> int:
    """Returns a decimal of the core or of the API in millionths."""
    return int(Decimal(text).scaleb(6))


def commodity_message(row: Row[Any]) -> market_pb2.Commodity:
    """Returns a commodity."""
    months = [int(month) for month in row.harvest_months.split(",") if month]
    return market_pb2.Commodity(
        code=row.code,
        name=row.name,
        category=row.category,
        base_unit=row.base_unit,
        unit_mass_kg=row.unit_mass_kg,
        harvest_months=months,
        description=row.description,
    )


def instrument_message(found: InstrumentMarket, description: Any) -> market_pb2.Instrument:
    """Returns an instrument: its rules from the core, its description from the table."""
    message = market_pb2.Instrument(
        symbol=found["symbol"],
        instrument_id=found["number"],
        kind=market_pb2.InstrumentKind.ValueType(found["kind"]),
        quote_currency=found["quote_asset"],
        base_asset=found["base_asset"],
        lot_size=decimal(found["lot_size_minor"], _COMMODITY),
        tick_size=decimal(found["tick_size_micro"], _MICRO),
        tick_value=decimal(found["tick_value_minor"], _CASH),
        min_lots=found["min_lots"],
        max_lots=found["max_lots"],
        price_low=found["limit_low"],
        price_high=found["limit_high"],
        phase=market_pb2.InstrumentPhase.ValueType(found["phase"]),
        maker_bps=decimal(found["maker_fee_centi_bps"], _CENTI_BPS),
        taker_bps=decimal(found["taker_fee_centi_bps"], _CENTI_BPS),
        version=1,
    )
    if description is not None:
        message.commodity_code = description.commodity_code
        message.grade_code = description.grade_code
        message.location_code = description.location_code
        message.unit = description.unit
        message.calendar_code = description.calendar_code
        message.delivery_start = description.delivery_start
        message.delivery_end = description.delivery_end
        message.version = description.version
    return message


def price_message(found: InstrumentMarket, unit: str) -> market_pb2.Price:
    """Returns the prices of an instrument."""
    bid, bid_lots = found["bid"] or ("", 0)
    ask, ask_lots = found["ask"] or ("", 0)
    return market_pb2.Price(
        symbol=found["symbol"],
        last_price=found["last"] or "",
        last_lots=found["last_lots"],
        best_bid=bid,
        best_bid_lots=bid_lots,
        best_ask=ask,
        best_ask_lots=ask_lots,
        currency=found["quote_asset"],
        unit=unit,
        sequence=found["sequence"],
    )


def ticker_message(found: InstrumentMarket, unit: str) -> market_pb2.Ticker:
    """Returns prices and the day's figures of an instrument."""
    return market_pb2.Ticker(
        price=price_message(found, unit),
        summary=market_pb2.MarketSummary.FromString(found["summary"]),
    )
