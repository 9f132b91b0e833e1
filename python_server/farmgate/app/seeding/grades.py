"""Grades and the discount schedule of US corn.

Sources: 7 CFR 810; contract specifications of the exchanges; for `US-CORN-DEMO` a schedule that an
elevator published in 2023.
"""

import json
from typing import Final

from farmgate.app.seeding.ground import Ground
from farmgate.market import reference_store as store
from farmgate.market.catalogue import COMMODITIES

_SCHEDULE: Final = "US-CORN-DEMO"
# Parameter, kind, value, unit and method of what a grade asks.
_SPECS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "CORN": ("USDA", ("TEST_WEIGHT MIN 54 lb/bu", "MOISTURE BASIS 15.0 %", "BCFM MAX 3.0 %",
                      "DAMAGE MAX 5.0 %", "HEAT_DAMAGE MAX 0.2 %", "AFLATOXIN MAX 20 ppb")),
    "WHEAT-SRW": ("USDA", ("TEST_WEIGHT MIN 58 lb/bu", "DAMAGE MAX 4.0 %",
                           "FOREIGN_MATERIAL MAX 0.7 %", "VOMITOXIN MAX 2 ppm")),
    "WHEAT-HRW": ("USDA", ("TEST_WEIGHT MIN 58 lb/bu", "PROTEIN BASIS 11.0 %", "DAMAGE MAX 4.0 %")),
    "SOYBEAN": ("USDA", ("TEST_WEIGHT MIN 54 lb/bu", "MOISTURE BASIS 13.0 %", "SPLITS MAX 20.0 %",
                         "FOREIGN_MATERIAL MAX 2.0 %", "DAMAGE MAX 3.0 %")),
    "OATS": ("USDA", ("TEST_WEIGHT MIN 33 lb/bu", "FOREIGN_MATERIAL MAX 3.0 %")),
    "RICE-ROUGH": ("USDA", ("BROKEN MAX 7.0 %", "HEAT_DAMAGE MAX 0.1 %")),
    "WHEAT-MILL": ("EXCHANGE", ("FALLING_NUMBER MIN 220 s", "PROTEIN MIN 11.0 %",
                                "SPECIFIC_WEIGHT MIN 76 kg/hl", "MOISTURE BASIS 15.0 %",
                                "BROKEN MAX 4.0 %", "IMPURITIES MAX 2.0 %")),
    "MAIZE-EU": ("EXCHANGE", ("MOISTURE BASIS 15.0 %", "BROKEN MAX 10.0 %",
                              "IMPURITIES MAX 3.0 %")),
    "TURMERIC": ("FSSAI", ("MOISTURE BASIS 12.0 %", "BROKEN MAX 3.0 %")),
    "CHANA": ("FSSAI", ("MOISTURE MAX 10.0 %", "FOREIGN_MATERIAL MAX 1.0 %", "DAMAGE MAX 3.0 %")),
    "BARLEY": ("USDA", ("TEST_WEIGHT MIN 45 lb/bu", "DAMAGE MAX 4.0 %")),
    "SORGHUM": ("USDA", ("TEST_WEIGHT MIN 55 lb/bu", "DAMAGE MAX 5.0 %", "BCFM MAX 6.0 %")),
    "SESAME": ("ECX", ("ADMIXTURE MAX 2.0 %", "MOISTURE MAX 6.0 %", "OIL MIN 50.0 %")),
}  # fmt: skip
_BY_BAND: Final = {"kind": "PRICE_PER_UNIT", "rounding": "STEP_UP", "step": "1", "per_step": "0"}
_RULES: Final = (
    {"parameter": "MOISTURE", "direction": "ABOVE", "basis": "15.0", "step": "0.1",
     "per_step": "0.14", "kind": "WEIGHT_SHRINK", "rounding": "PRO_RATA_TENTH"},
    {"parameter": "MOISTURE", "direction": "ABOVE", "basis": "15.0", "step": "0.1",
     "per_step": "0.0055", "kind": "PRICE_PER_UNIT", "rounding": "PRO_RATA_TENTH"},
    _BY_BAND | {
        "parameter": "TEST_WEIGHT", "direction": "BELOW", "basis": "54", "reject_beyond": "49",
        "bands": [
            {"from": str(weight), "to": str(weight + 1), "value": value}
            for weight, value in
            ((53, "0.02"), (52, "0.04"), (51, "0.07"), (50, "0.10"), (49, "0.14"))
        ],
    },
    _BY_BAND | {
        "parameter": "DAMAGE", "direction": "ABOVE", "basis": "5", "per_step": "0.02",
        "bands": [
            {"from": str(5 + begun), "to": str(6 + begun), "value": value}
            for begun, value in enumerate(("0.01", "0.02", "0.04", "0.06", "0.08"))
        ],
    },
    _BY_BAND | {
        "parameter": "BCFM", "direction": "ABOVE", "basis": "4", "per_step": "0.03",
        "bands": [
            {"from": str(4 + begun), "to": str(5 + begun), "value": value}
            for begun, value in
            enumerate(("0.02", "0.04", "0.06", "0.08", "0.10", "0.12", "0.15"))
        ],
    },
    {"parameter": "ODOUR", "direction": "ABOVE", "basis": "0", "step": "1", "per_step": "0.15",
     "kind": "FLAT", "rounding": "STEP_UP"},
)  # fmt: skip


async def plant(ground: Ground) -> None:
    """Adds the schedule and a grade of each commodity."""
    schedule = {
        "id": _SCHEDULE, "commodity_code": "CORN", "name": "US corn, demonstration", "version": 1,
        "effective_from": "2023-09-01", "rules": json.dumps(_RULES, sort_keys=True),
    }  # fmt: skip
    rows = [
        {
            "id": f"{commodity.code}.{commodity.grade}",
            "commodity_code": commodity.code,
            "code": commodity.grade,
            "standard": _SPECS[commodity.code][0],
            "specs": json.dumps([_spec(text) for text in _SPECS[commodity.code][1]]),
            "schedule_id": _SCHEDULE if commodity.code == "CORN" else "",
        }
        for commodity in COMMODITIES
    ]
    await ground.base.database.write(lambda tx: store.add_schedule(tx, schedule))
    await ground.base.database.write(lambda tx: store.add_grades(tx, rows))


def _spec(text: str) -> dict[str, str]:
    parameter, kind, value, unit = text.split()
    return {"parameter": parameter, "kind": kind, "value": value, "unit": unit, "method": ""}
