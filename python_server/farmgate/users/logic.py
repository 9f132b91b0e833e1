"""Use cases of people."""

from collections.abc import Collection
from dataclasses import fields
from typing import TypeVar
from zoneinfo import available_timezones

from sqlalchemy import Connection

from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.users import rules, store
from farmgate.users.store import Profile, User

M = TypeVar("M", bound=Serializable)


class Profiles:
    """Reads and changes what people say about themselves.

    Args:
        database: Where people are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._zones = frozenset(available_timezones())

    async def get(self, user_id: str) -> User:
        """Returns the user.

        Raises:
            DomainError: NOT_FOUND.
        """
        return await self._database.read(lambda tx: _existing(tx, user_id))

    async def update(
        self,
        user_id: str,
        wanted: Profile,
        *,
        mask: Collection[str],
        expected_version: int,
        effect: Effect[User, M],
    ) -> M:
        """Changes a profile; returns the reply.

        Args:
            user_id: Whose profile.
            wanted: The new values; those outside the mask do not matter.
            mask: Names of the fields to change; empty means those that are stated.
            expected_version: The version the change was made on; 0 for whichever there is.
            effect: Records the change.

        Raises:
            DomainError: INVALID_ARGUMENT, NOT_FOUND or VERSION_CONFLICT.
        """
        stated = [field.name for field in fields(Profile) if getattr(wanted, field.name)]
        names = rules.fields_to_change(mask, stated)

        def change(transaction: Connection) -> None:
            user = _existing(transaction, user_id)
            expected = expected_version or user.version
            values = {
                field.name: getattr(wanted if field.name in names else user, field.name)
                for field in fields(Profile)
            }
            profile = self._checked(Profile(**values))
            is_changed = user.version == expected and store.update_profile(
                transaction, user_id, profile, expected_version=expected
            )
            if not is_changed:
                actual = _existing(transaction, user_id).version
                raise DomainError("VERSION_CONFLICT", actual=actual, expected=expected)
            changed = _existing(transaction, user_id)
            effect.record(transaction, changed, resource=f"user/{user_id}")

        await self._database.write(change)
        return effect.reply

    def _checked(self, profile: Profile) -> Profile:
        return Profile(
            display_name=rules.display_name(profile.display_name),
            phone=rules.phone(profile.phone),
            country=rules.country(profile.country),
            locale=rules.locale(profile.locale),
            timezone=rules.timezone(profile.timezone, self._zones),
        )


def _existing(connection: Connection, user_id: str) -> User:
    user = store.user_by_id(connection, user_id)
    if user is None:
        raise DomainError("NOT_FOUND", resource="user", id=user_id)
    return user
