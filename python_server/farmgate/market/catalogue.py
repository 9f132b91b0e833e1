"""The demonstration's instruments: retail-sized, priced near real markets.

Sources: contract specifications of the exchanges named; start prices of CORN, WHEAT-SRW and
SOYBEAN as of 2 April 2025, the others simulated.
"""

from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from farmgate.api.market.v1 import market_pb2
from farmgate.market.terms import Terms, text_of
from farmgate.ports.matching import InstrumentRules

_MICRO: Final = 10**6
_SPOT_LOT: Final = {"bu": 100, "t": 1, "cwt": 10, "qtl": 1, "bag": 10, "short_ton": 1, "lb": 1000}
_FORWARD_LOT: Final = {"bu": 1000, "t": 10}
_MAKER_CENTI_BPS: Final = 50
_TAKER_CENTI_BPS: Final = 250
_DEPOSIT_BPS: Final = 1_000
_MAX_LOTS: Final = 10_000
_PROTECTION_TICKS: Final = 20
# As the settings of the exchange begin: a trade 5 % away starts an auction of a minute.
_BAND_PERCENT: Final = 5
_AUCTION_NS: Final = 60 * 10**9
# The ladder spans a quarter to four times the start price; a day's limits are 7 % around it.
_SPAN_FACTOR: Final = 4
_LIMIT_PERCENT: Final = 7
_FORWARD_MONTHS: Final = 3
MONTH_CODES: Final = "FGHJKMNQUVXZ"


@dataclass(frozen=True, slots=True)
class Commodity:
    """A commodity of the demonstration.

    Attributes:
        unit_mass_kg: Mass of a base unit, exact.
        tick_micro: Tick in millionths of the currency per unit.
        price_micro: Start price in millionths.
        grades: Code of the grade in symbols and assets, with the places where it is traded.
        is_forward: Whether forwards are listed.
    """

    code: str
    name: str
    category: str
    unit: str
    unit_mass_kg: str
    harvest: str
    currency: str
    tick_micro: int
    price_micro: int
    grade: str
    places: tuple[str, ...]
    is_forward: bool = False


COMMODITIES: Final = (
    Commodity("CORN", "Corn", "GRAIN", "bu", "25.40117272", "9,10,11", "USD", 2_500, 4_582_500,
              "US2Y", ("CHI", "TOL", "DSM"), is_forward=True),
    Commodity("WHEAT-SRW", "Soft red winter wheat", "GRAIN", "bu", "27.2155422", "6,7", "USD",
              2_500, 5_405_000, "US2", ("CHI",), is_forward=True),
    Commodity("WHEAT-HRW", "Hard red winter wheat", "GRAIN", "bu", "27.2155422", "6,7", "USD",
              2_500, 5_620_000, "US2", ("KCM",), is_forward=True),
    Commodity("SOYBEAN", "Soybeans", "OILSEED", "bu", "27.2155422", "9,10", "USD", 2_500,
              10_287_500, "US2Y", ("CHI", "NOLA"), is_forward=True),
    Commodity("OATS", "Oats", "GRAIN", "bu", "14.51495584", "7,8", "USD", 2_500, 3_655_000, "US2",
              ("CHI",)),
    Commodity("RICE-ROUGH", "Rough rice", "GRAIN", "cwt", "45.359237", "8,9", "USD", 5_000,
              13_300_000, "US2", ("STU",)),
    Commodity("WHEAT-MILL", "Milling wheat", "GRAIN", "t", "1000", "7,8", "EUR", 250_000,
              221_000_000, "EU", ("ROU",), is_forward=True),
    Commodity("MAIZE-EU", "Maize", "GRAIN", "t", "1000", "9,10", "EUR", 250_000, 206_500_000, "EU",
              ("DKK",), is_forward=True),
    Commodity("TURMERIC", "Turmeric", "SPICE", "qtl", "100", "2,3", "INR", 2_000_000,
              13_400_000_000, "FAQ", ("NZB",)),
    Commodity("CHANA", "Chickpeas", "PULSE", "qtl", "100", "3,4", "INR", 1_000_000, 5_900_000_000,
              "DESI", ("DEL",)),
    Commodity("BARLEY", "Barley", "GRAIN", "bu", "21.77243376", "7,8", "USD", 2_500, 4_100_000,
              "US2", ("CHI",)),
    Commodity("SORGHUM", "Sorghum", "GRAIN", "bu", "25.40117272", "9,10", "USD", 2_500, 4_300_000,
              "US2", ("KAN",)),
    Commodity("SESAME", "Humera sesame", "OILSEED", "qtl", "100", "11,12", "ETB", 1_000_000,
              4_100_000_000, "WHGS2", ("HUM",)),
)  # fmt: skip
INDICES: Final = ("IDX-GRAINS", "IDX-ALL")
INDEX_START_CENTI: Final = 100_000
_INDEX_TICK_MICRO: Final = 10_000


@dataclass(frozen=True, slots=True)
class Listing:
    """An instrument to list: its rules, but for the assets' numbers, and its description."""

    base_asset: str
    quote_asset: str
    rules: dict[str, Any]
    description: dict[str, Any]

    def with_assets(self, numbers: dict[str, int]) -> InstrumentRules:
        """Returns the rules with the assets' numbers in the core."""
        rules: Any = self.rules | {
            "base_asset": numbers[self.base_asset],
            "quote_asset": numbers[self.quote_asset],
        }
        complete: InstrumentRules = rules
        return complete


def commodity_rows() -> list[dict[str, Any]]:
    """Returns the commodities as rows."""
    return [
        {
            "code": commodity.code,
            "name": commodity.name,
            "category": commodity.category,
            "base_unit": commodity.unit,
            "unit_mass_kg": commodity.unit_mass_kg,
            "harvest_months": commodity.harvest,
            "description": f"{commodity.name}, grade {commodity.grade}.",
        }
        for commodity in COMMODITIES
    ]


def listings(today: date) -> list[Listing]:
    """Returns every instrument of the demonstration as of a day."""
    spot = [_spot(commodity, place) for commodity in COMMODITIES for place in commodity.places]
    forward = [
        _forward(commodity, *_month_after(today, ahead))
        for commodity in COMMODITIES
        if commodity.is_forward
        for ahead in range(1, _FORWARD_MONTHS + 1)
    ]
    return spot + forward + [_index(symbol) for symbol in INDICES]


def _spot(commodity: Commodity, place: str) -> Listing:
    symbol = f"{commodity.code}-{commodity.grade}-{place}"
    kind = market_pb2.INSTRUMENT_KIND_SPOT
    rules = _rules(commodity, symbol, kind, _SPOT_LOT[commodity.unit], deposit_bps=0)
    base = f"{commodity.code}.{commodity.grade}.{place}"
    return Listing(base, commodity.currency, rules, _description(commodity, symbol, place, "", ""))


def _forward(commodity: Commodity, year: int, month: int) -> Listing:
    symbol = f"{commodity.code}-{MONTH_CODES[month - 1]}{year % 100:02d}"
    kind = market_pb2.INSTRUMENT_KIND_FORWARD
    lot = _FORWARD_LOT[commodity.unit]
    rules = _rules(commodity, symbol, kind, lot, deposit_bps=_DEPOSIT_BPS)
    place = commodity.places[0]
    last = date(year + month // 12, month % 12 + 1, 1).toordinal() - 1
    start, end = date(year, month, 1).isoformat(), date.fromordinal(last).isoformat()
    base = f"{commodity.code}.{commodity.grade}.{place}"
    return Listing(
        base, commodity.currency, rules, _description(commodity, symbol, place, start, end)
    )


def _index(symbol: str) -> Listing:
    # What a figure costs is told in hundredths; the core wants an asset for everything.
    commodity = replace(
        COMMODITIES[0], tick_micro=_INDEX_TICK_MICRO,
        price_micro=INDEX_START_CENTI * _INDEX_TICK_MICRO,
    )  # fmt: skip
    kind = market_pb2.INSTRUMENT_KIND_INDEX
    rules = _rules(commodity, symbol, kind, lot=1, deposit_bps=0)
    description = _description(commodity, symbol, "", "", "") | {
        "commodity_code": "",
        "grade_code": "",
        "unit": "",
    }
    return Listing(f"{commodity.code}.{commodity.grade}.CHI", "USD", rules, description)


def _rules(
    commodity: Commodity, symbol: str, kind: int, lot: int, *, deposit_bps: int
) -> dict[str, Any]:
    start = commodity.price_micro // commodity.tick_micro
    band = (start * _LIMIT_PERCENT + 50) // 100
    return {
        "symbol": symbol,
        "kind": kind,
        "tick_size_micro": commodity.tick_micro,
        # Ten-thousandths of the currency; every tick and lot above gives a whole number of them.
        "tick_value_minor": commodity.tick_micro * lot // 100,
        "lot_size_minor": lot * 1_000,
        "min_lots": 1,
        "max_lots": _MAX_LOTS,
        "price_min": max(1, start // _SPAN_FACTOR),
        "price_max": start * _SPAN_FACTOR,
        "limit_low": start - band,
        "limit_high": start + band,
        "protection_ticks": _PROTECTION_TICKS,
        "max_notional_minor": 0,
        "maker_fee_centi_bps": _MAKER_CENTI_BPS,
        "taker_fee_centi_bps": _TAKER_CENTI_BPS,
        "deposit_bps": deposit_bps,
        "band_ticks": (start * _BAND_PERCENT + 50) // 100,
        "volatility_auction_ns": _AUCTION_NS,
        "phase": market_pb2.INSTRUMENT_PHASE_OPEN,
    }


def _description(
    commodity: Commodity, symbol: str, place: str, start: str, end: str
) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "commodity_code": commodity.code,
        "grade_code": commodity.grade,
        "location_code": place,
        "unit": commodity.unit,
        "calendar_code": "ALWAYS_OPEN",
        "delivery_start": start,
        "delivery_end": end,
        "terms": text_of(Terms(protection_ticks=_PROTECTION_TICKS)),
        "version": 1,
    }


def _month_after(today: date, ahead: int) -> tuple[int, int]:
    month = today.year * 12 + today.month - 1 + ahead
    return month // 12, month % 12 + 1
