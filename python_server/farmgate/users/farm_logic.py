"""Use cases of farms."""

from collections.abc import Callable, Collection
from dataclasses import replace
from decimal import Decimal
from typing import Final, TypeVar

from sqlalchemy import Connection

from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids
from farmgate.users import farm_rules as rules
from farmgate.users import farm_store as store
from farmgate.users import store as people
from farmgate.users.farm_store import Certification, Crop, Farm
from farmgate.users.reach import EVERYBODY, Reach

M = TypeVar("M", bound=Serializable)
_EDITABLE: Final = {
    "name": ("name",),
    "region": ("region",),
    "location": ("latitude", "longitude"),
    "boundary_geojson": ("boundary",),
    "area_ha": ("area_ha",),
    "soil": ("soil",),
    "irrigation": ("irrigation",),
    "storage_capacity_t": ("storage_capacity_t",),
}
_FARM_OWNERS: Final = frozenset({"FARMER", "COOP_MANAGER"})

# Tonnes of a commodity that open contracts promise of a farm.
Commitments = Callable[[Connection, str, str], Decimal]


class Farms:
    """Keeps farms.

    Args:
        database: Where they are kept.
        clock: Tells the time.
        ids: Names them.
    """

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._commitments: list[Commitments] = []

    def commit_by(self, commitments: Commitments) -> None:
        """Asks this too what contracts promise of a farm."""
        self._commitments.append(commitments)

    def committed(self, connection: Connection, farm_id: str, commodity: str) -> Decimal:
        """Returns the tonnes of a commodity that open contracts promise of a farm."""
        return sum(
            (of(connection, farm_id, commodity) for of in self._commitments), start=Decimal(0)
        )

    async def page(
        self, reach: Reach, owner_id: str, *, after: tuple[str, str], limit: int
    ) -> list[tuple[Farm, dict[str, Decimal]]]:
        """Returns the farms of a user by name, with what is promised of each commodity.

        Raises:
            DomainError: NOT_FOUND.
        """

        def read(connection: Connection) -> list[tuple[Farm, dict[str, Decimal]]]:
            _check_owner(connection, reach, owner_id)
            found = store.farm_page(connection, owner_id, after=after, limit=limit)
            return [(one, self._promised(connection, one)) for one in found]

        return await self._database.read(read)

    async def get(self, reach: Reach, farm_id: str) -> tuple[Farm, dict[str, Decimal]]:
        """Returns a farm.

        Raises:
            DomainError: NOT_FOUND.
        """

        def read(connection: Connection) -> tuple[Farm, dict[str, Decimal]]:
            found = _owned(connection, reach, farm_id)
            return found, self._promised(connection, found)

        return await self._database.read(read)

    async def create(
        self, reach: Reach, draft: Farm, effect: Effect[tuple[Farm, dict[str, Decimal]], M]
    ) -> M:
        """Enters a farm; its ID, time and version are given to it.

        Raises:
            DomainError: INVALID_ARGUMENT or NOT_FOUND.
        """
        new = _checked(replace(draft, id=self._ids.ulid(), created_at=self._clock.now(), version=1))

        def write(connection: Connection) -> None:
            _check_owner(connection, reach, new.owner_id)
            owner = people.user_by_id(connection, new.owner_id)
            if owner is None or owner.role not in _FARM_OWNERS:
                raise DomainError("NOT_FOUND", resource="user", id=new.owner_id)
            store.insert_farm(connection, new)
            effect.record(connection, (new, {}), resource=f"farm/{new.id}")

        await self._database.write(write)
        return effect.reply

    async def update(
        self, reach: Reach, farm_id: str, wanted: Farm, mask: Collection[str],
        expected: int, effect: Effect[tuple[Farm, dict[str, Decimal]], M],
    ) -> M:  # fmt: skip
        """Changes the fields that the mask names.

        Raises:
            DomainError: NOT_FOUND, VERSION_CONFLICT or INVALID_ARGUMENT.
        """
        if not mask or not set(mask) <= set(_EDITABLE):
            raise invalid("update_mask", f"must name some of {', '.join(_EDITABLE)}")
        names = {name for path in mask for name in _EDITABLE[path]}

        def write(connection: Connection) -> None:
            found = _owned(connection, reach, farm_id)
            values = {name: getattr(wanted, name) for name in names}
            changed = _checked(replace(found, **values, version=found.version + 1))
            version = expected or found.version
            if not store.replace_farm(connection, changed, expected_version=version):
                raise DomainError("VERSION_CONFLICT", actual=found.version, expected=version)
            result = (changed, self._promised(connection, changed))
            effect.record(connection, result, resource=f"farm/{farm_id}")

        await self._database.write(write)
        return effect.reply

    async def delete(self, reach: Reach, farm_id: str, effect: Effect[None, M]) -> M:
        """Deletes a farm.

        Raises:
            DomainError: NOT_FOUND, or RESOURCE_IN_USE while contracts promise its harvest.
        """

        def write(connection: Connection) -> None:
            found = _owned(connection, reach, farm_id)
            if any(self._promised(connection, found).values()):
                raise DomainError(
                    "RESOURCE_IN_USE", resource="farm", id=farm_id, used_by="open contracts"
                )
            store.delete_farm(connection, farm_id, self._clock.now())
            effect.record(connection, None, resource=f"farm/{farm_id}")

        await self._database.write(write)
        return effect.reply

    async def certify(
        self, reach: Reach, farm_id: str, one: Certification,
        effect: Effect[tuple[Farm, dict[str, Decimal]], M],
    ) -> M:  # fmt: skip
        """Adds a certificate.

        Raises:
            DomainError: NOT_FOUND or INVALID_ARGUMENT.
        """
        new = replace(one, id=self._ids.ulid(), valid_to=rules.day("valid_to", one.valid_to))
        return await self._add(
            reach, farm_id, lambda tx: store.add_certification(tx, farm_id, new), effect
        )

    async def plant(
        self, reach: Reach, farm_id: str, one: Crop,
        effect: Effect[tuple[Farm, dict[str, Decimal]], M],
    ) -> M:  # fmt: skip
        """Adds a crop.

        Raises:
            DomainError: NOT_FOUND or INVALID_ARGUMENT.
        """
        new = replace(
            one,
            id=self._ids.ulid(),
            planted_ha=rules.area("planted_ha", one.planted_ha),
            planted_on=rules.day("planted_on", one.planted_on),
            harvest_start=rules.day("harvest_start", one.harvest_start),
            harvest_end=rules.day("harvest_end", one.harvest_end),
        )
        if new.harvest_end < new.harvest_start:
            raise invalid("harvest_end", "must not be before harvest_start")
        return await self._add(reach, farm_id, lambda tx: store.add_crop(tx, farm_id, new), effect)

    async def _add(
        self, reach: Reach, farm_id: str, add: Callable[[Connection], None],
        effect: Effect[tuple[Farm, dict[str, Decimal]], M],
    ) -> M:  # fmt: skip
        def write(connection: Connection) -> None:
            found = _owned(connection, reach, farm_id)
            add(connection)
            raised = replace(found, version=found.version + 1)
            store.replace_farm(connection, raised, expected_version=found.version)
            changed = _owned(connection, EVERYBODY, farm_id)
            result = (changed, self._promised(connection, changed))
            effect.record(connection, result, resource=f"farm/{farm_id}")

        await self._database.write(write)
        return effect.reply

    def _promised(self, connection: Connection, farm: Farm) -> dict[str, Decimal]:
        codes = {crop.commodity_code for crop in farm.crops}
        return {code: self.committed(connection, farm.id, code) for code in sorted(codes)}


def _check_owner(connection: Connection, reach: Reach, owner_id: str) -> None:
    if not reach.covers(connection, owner_id):
        raise DomainError("NOT_FOUND", resource="user", id=owner_id)


def _owned(connection: Connection, reach: Reach, farm_id: str) -> Farm:
    found = store.farm(connection, farm_id)
    if found is None or not reach.covers(connection, found.owner_id):
        raise DomainError("NOT_FOUND", resource="farm", id=farm_id)
    return found


def _checked(farm: Farm) -> Farm:
    latitude, longitude = rules.point(farm.latitude, farm.longitude)
    name = farm.name.strip()
    if not (name and name.isprintable()):
        raise invalid("name", "must have 1 to 100 printable characters")
    return replace(
        farm,
        name=name,
        latitude=latitude,
        longitude=longitude,
        boundary=rules.boundary(farm.boundary),
        area_ha=rules.area("area_ha", farm.area_ha),
    )
