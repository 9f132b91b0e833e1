"""People of all roles, and stubs of what operators call."""

from typing import Any

from sqlalchemy import update

from farmgate.api.admin.v1 import (
    admin_pb2_grpc,
    announcements_pb2_grpc,
    audit_pb2_grpc,
    config_pb2_grpc,
    controls_pb2_grpc,
    instruments_pb2_grpc,
)
from farmgate.users.tables import users
from support import Api, SignedIn


async def with_role(api: Api, role: str) -> SignedIn:
    """Registers somebody who then gets a role."""
    person = await api.person()
    await api.application.base.database.write(
        lambda tx: tx.execute(
            update(users).where(users.c.id == person.user.user_id).values(role=role)
        )
    )
    return SignedIn(person.user, await api.log_in(person.user.email))


class Operators:
    """Stubs of the services of operators."""

    def __init__(self, api: Api) -> None:
        self.admin: Any = admin_pb2_grpc.AdminServiceStub(api.channel)
        self.announcements: Any = announcements_pb2_grpc.AnnouncementServiceStub(api.channel)
        self.audit: Any = audit_pb2_grpc.AuditServiceStub(api.channel)
        self.config: Any = config_pb2_grpc.ConfigServiceStub(api.channel)
        self.instruments: Any = instruments_pb2_grpc.InstrumentServiceStub(api.channel)
        self.controls: Any = controls_pb2_grpc.MarketControlServiceStub(api.channel)
