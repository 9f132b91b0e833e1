"""Queries of farms."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from farmgate.users.tables import crop_plans, farm_certifications, farms


@dataclass(frozen=True, slots=True)
class Certification:
    """A certificate of a farm; `scheme` is the number of the API's enum."""

    id: str
    scheme: int
    number: str
    valid_to: str
    document_id: str


@dataclass(frozen=True, slots=True)
class Crop:
    """A crop of a season; areas in hectares and yields in tonnes a hectare, as decimals."""

    id: str
    commodity_code: str
    season: str
    planted_ha: str
    planted_on: str
    harvest_start: str
    harvest_end: str
    expected_yield_t_ha: str


@dataclass(frozen=True, slots=True)
class Farm:
    """A farm; degrees, hectares and tonnes are decimals."""

    id: str
    owner_id: str
    name: str
    country: str
    region: str
    latitude: str
    longitude: str
    boundary: str
    area_ha: str
    soil: str
    irrigation: int
    storage_capacity_t: str
    created_at: datetime
    version: int
    certifications: tuple[Certification, ...] = ()
    crops: tuple[Crop, ...] = ()


_COLUMNS = tuple(field.name for field in fields(Farm))[:-2]


def insert_farm(connection: Connection, farm: Farm) -> None:
    """Stores a new farm."""
    connection.execute(insert(farms).values(**{name: getattr(farm, name) for name in _COLUMNS}))


def replace_farm(connection: Connection, farm: Farm, *, expected_version: int) -> bool:
    """Stores a farm over its version; returns False when it is at another one."""
    values = {name: getattr(farm, name) for name in _COLUMNS}
    changed = connection.execute(
        update(farms)
        .where(farms.c.id == farm.id, farms.c.version == expected_version)
        .values(**values)
        .returning(farms.c.id)
    ).first()
    return changed is not None


def delete_farm(connection: Connection, farm_id: str, at: datetime) -> None:
    """Marks a farm as deleted."""
    connection.execute(update(farms).where(farms.c.id == farm_id).values(deleted_at=at))


def farm(connection: Connection, farm_id: str) -> Farm | None:
    """Returns a farm with its certificates and crops."""
    query = select(farms).where(farms.c.id == farm_id, farms.c.deleted_at.is_(None))
    row = connection.execute(query).first()
    return None if row is None else _complete(connection, row)


def farm_page(
    connection: Connection, owner_id: str, *, after: tuple[str, str], limit: int
) -> list[Farm]:
    """Returns the farms of a user by name, after a name and an ID."""
    name, farm_id = after
    table = farms.c
    query = select(farms).where(
        table.owner_id == owner_id,
        table.deleted_at.is_(None),
        (table.name > name) | ((table.name == name) & (table.id > farm_id)),
    )
    rows = connection.execute(query.order_by(table.name, table.id).limit(limit)).all()
    return [_complete(connection, row) for row in rows]


def add_certification(connection: Connection, farm_id: str, one: Certification) -> None:
    """Stores a certificate."""
    values = {name: getattr(one, name) for name in Certification.__slots__}
    connection.execute(insert(farm_certifications).values(farm_id=farm_id, **values))


def add_crop(connection: Connection, farm_id: str, one: Crop) -> None:
    """Stores a crop."""
    values = {name: getattr(one, name) for name in Crop.__slots__}
    connection.execute(insert(crop_plans).values(farm_id=farm_id, **values))


def _complete(connection: Connection, row: Row[Any]) -> Farm:
    values = {name: getattr(row, name) for name in _COLUMNS}
    certificates = connection.execute(
        select(farm_certifications)
        .where(farm_certifications.c.farm_id == row.id)
        .order_by(farm_certifications.c.id)
    )
    planted = connection.execute(
        select(crop_plans)
        .where(crop_plans.c.farm_id == row.id)
        .order_by(crop_plans.c.season.desc(), crop_plans.c.id)
    )
    return Farm(
        **values,
        certifications=tuple(
            Certification(**{name: getattr(one, name) for name in Certification.__slots__})
            for one in certificates
        ),
        crops=tuple(
            Crop(**{name: getattr(one, name) for name in Crop.__slots__}) for one in planted
        ),
    )
