"""What seeds build on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from farmgate.app.parts.base import Base
from farmgate.ports.matching import Matching
from farmgate.users.facade import User

PASSWORD: Final = "Demo-Pass-2026!"  # noqa: S105 - Printed by `farmgate up`; refused in production.
DOMAIN: Final = "farmgate.example"


@dataclass(frozen=True, slots=True)
class Ground:
    """What every seed may use."""

    base: Base
    matching: Matching

    def assets(self) -> dict[str, int]:
        """Returns the assets' numbers in the core by code."""
        return {code: number for number, code in enumerate(self.matching.assets(), start=1)}

    async def person(self, name: str) -> User:
        """Returns somebody whom an earlier seed added."""
        users, email = self.base.users, address(name)
        user = await self.base.database.read(lambda tx: users.by_email(tx, email))
        assert user, f"{name} is seeded before."
        return user


@dataclass(frozen=True, slots=True)
class Seed:
    """One part of the demonstration.

    Attributes:
        name: Under which it is remembered as done.
        plant: Adds what is missing of it.
        is_behind: Whether it is planted behind the start, when the others are.
    """

    name: str
    plant: Callable[[Ground], Awaitable[None]]
    is_behind: bool = False


def address(name: str) -> str:
    """Returns the e-mail address of somebody of the demonstration."""
    return f"{name}@{DOMAIN}"
