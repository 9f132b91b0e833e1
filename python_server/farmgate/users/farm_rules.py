"""What a farm may say of itself. Pure."""

import json
from datetime import date
from decimal import Decimal
from typing import Any, Final

from farmgate.errors import invalid

OVERCOMMITTED: Final = "OVERCOMMITTED_HARVEST"
# Part of an expected harvest that contracts may promise before its farmer is warned.
_PROMISED_MAX: Final = Decimal("0.8")
_RING_POINTS_MIN: Final = 4
_LATITUDE_MAX: Final = 90
_LONGITUDE_MAX: Final = 180
_AREA_HA_MAX: Final = Decimal(10_000_000)


def degrees(field: str, text: str, most: int) -> str:
    """Returns a latitude or longitude, empty when none is stated.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    if text and abs(Decimal(text)) > most:
        raise invalid(field, f"must lie between -{most} and {most}")
    return text


def point(latitude: str, longitude: str) -> tuple[str, str]:
    """Returns a place, both parts of it or none.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    if bool(latitude) != bool(longitude):
        raise invalid("location", "must have a latitude and a longitude")
    return (
        degrees("location.latitude", latitude, _LATITUDE_MAX),
        degrees("location.longitude", longitude, _LONGITUDE_MAX),
    )


def area(field: str, text: str) -> str:
    """Returns an area in hectares.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    if not text or not 0 < Decimal(text) <= _AREA_HA_MAX:
        raise invalid(field, f"must be more than 0 and at most {_AREA_HA_MAX}")
    return text


def boundary(text: str) -> str:
    """Returns a GeoJSON polygon without blanks, empty when none is stated.

    RFC 7946: each ring has four positions or more and ends where it begins.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    if not text:
        return ""
    refusal = invalid("boundary_geojson", "must be a GeoJSON polygon with closed rings")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise refusal from error
    if not isinstance(found, dict) or found.get("type") != "Polygon":
        raise refusal
    rings = found.get("coordinates")
    if not isinstance(rings, list) or not rings or not all(map(_is_ring, rings)):
        raise refusal
    return json.dumps({"type": "Polygon", "coordinates": rings}, separators=(",", ":"))


def day(field: str, text: str) -> str:
    """Returns a day, empty when none is stated.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError as error:
        raise invalid(field, "must be a day such as 2026-06-01") from error


def harvest(planted_ha: str, yield_t_ha: str) -> Decimal:
    """Returns the expected harvest in tonnes."""
    return Decimal(planted_ha) * Decimal(yield_t_ha)


def warnings(expected_t: Decimal, committed_t: Decimal) -> list[str]:
    """Returns what a farmer is warned of."""
    is_much = committed_t > expected_t * _PROMISED_MAX
    return [OVERCOMMITTED] if is_much else []


def _is_ring(ring: Any) -> bool:
    return (
        isinstance(ring, list)
        and len(ring) >= _RING_POINTS_MIN
        and all(map(_is_position, ring))
        and ring[0] == ring[-1]
    )


def _is_position(position: Any) -> bool:
    if not isinstance(position, list) or len(position) not in {2, 3}:
        return False
    if not all(isinstance(n, int | float) and not isinstance(n, bool) for n in position):
        return False
    longitude, latitude = float(position[0]), float(position[1])
    return abs(longitude) <= _LONGITUDE_MAX and abs(latitude) <= _LATITUDE_MAX
