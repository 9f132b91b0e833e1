"""Users' part in the process."""

from farmgate.app.parts.base import Base, Part
from farmgate.users.facade import Profiles
from farmgate.users.service import UserService


def part(base: Base) -> Part:
    """Returns profiles."""
    return Part(servicers=[UserService(Profiles(base.database))])
