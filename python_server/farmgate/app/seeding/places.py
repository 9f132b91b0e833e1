"""Places of delivery."""

from typing import Final

from farmgate.app.seeding.ground import Ground
from farmgate.market import reference_store as store

# Code, name, kind, country, latitude, longitude, time zone, tonnes, freight in 1e-4 a unit.
_PLACES: Final = (
    ("CHI", "Chicago, Illinois", "ELEVATOR", "US", "41.8500", "-87.6500", "America/Chicago",
     320_000, 0),
    ("TOL", "Toledo, Ohio", "ELEVATOR", "US", "41.6639", "-83.5552", "America/New_York",
     180_000, -400),
    ("DSM", "Des Moines, Iowa", "ELEVATOR", "US", "41.6005", "-93.6091", "America/Chicago",
     140_000, -3_500),
    ("KCM", "Kansas City, Missouri", "ELEVATOR", "US", "39.0997", "-94.5786", "America/Chicago",
     260_000, -1_200),
    ("NOLA", "Louisiana Gulf", "PORT", "US", "29.9511", "-90.0715", "America/Chicago",
     900_000, 4_500),
    ("STU", "Stuttgart, Arkansas", "MILL", "US", "34.5004", "-91.5526", "America/Chicago",
     60_000, -1_500),
    ("ROU", "Rouen", "PORT", "FR", "49.4431", "1.0993", "Europe/Paris", 450_000, 0),
    ("DKK", "Dunkirk", "PORT", "FR", "51.0344", "2.3768", "Europe/Paris", 300_000, 1_500),
    ("NZB", "Nizamabad", "MANDI", "IN", "18.6725", "78.0941", "Asia/Kolkata", 25_000, 0),
    ("DEL", "Delhi", "MANDI", "IN", "28.6519", "77.2315", "Asia/Kolkata", 40_000, 0),
    ("ADD", "Addis Ababa", "WAREHOUSE", "ET", "9.0300", "38.7400", "Africa/Addis_Ababa",
     50_000, 2_000),
    ("HUM", "Humera", "WAREHOUSE", "ET", "14.2833", "36.6167", "Africa/Addis_Ababa",
     30_000, -2_000),
    ("KAN", "Kano", "WAREHOUSE", "NG", "12.0022", "8.5920", "Africa/Lagos", 35_000, -2_500),
)  # fmt: skip
_COLUMNS: Final = (
    "code", "name", "kind", "country", "latitude", "longitude", "timezone", "capacity_t",
    "freight_differential_minor",
)  # fmt: skip


async def plant(ground: Ground) -> None:
    """Adds the places."""
    rows = [dict(zip(_COLUMNS, place, strict=True)) for place in _PLACES]
    await ground.base.database.write(lambda tx: store.add_locations(tx, rows))
