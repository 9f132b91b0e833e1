"""Callers of every kind, of a running server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
from sqlalchemy import update

from authorization.declared import ADMITTED, KEY_SCOPES, Caller, Declared
from e2e.exchange import free_ports
from farmgate.api.auth.v1 import auth_pb2
from farmgate.app import wire
from farmgate.app.edge import process
from farmgate.app.edge.options import EdgeOptions
from farmgate.app.edge.process import Edge
from farmgate.app.settings import Settings
from farmgate.auth.tokens import Rights, Subject
from farmgate.errors import DomainError
from farmgate.ports.clock import FakeClock
from farmgate.rpc.call import Call
from farmgate.rpc.limits import Limits
from farmgate.rpc.methods import role_names
from farmgate.users.tables import users
from support import Api, SignedIn, bearer, running

# A busy machine is slow to start Envoy.
START_S = 120.0
# Who says so is stopped behind the access check, and before anything is done.
PROBE = "x-probe"
# No message: what is judged before it is read is judged all the same.
MALFORMED = b"\xff\xff"
ROLES = ("FARMER", "TRADER", "COOP_MANAGER", "INSPECTOR", "AUDITOR", "ADMIN")
NUMBERS = {name: number for number, name in role_names().items()}


class Exchange:
    """A server, Envoy before it, and people."""

    def __init__(self, api: Api, rest: httpx.AsyncClient) -> None:
        self.api = api
        self.rest = rest

    async def set_user(self, person: SignedIn, **values: Any) -> None:
        statement = update(users).where(users.c.id == person.user.user_id).values(**values)
        await self.api.application.base.database.write(lambda tx: tx.execute(statement))

    async def person(self, role: str = "FARMER", **values: Any) -> SignedIn:
        """Returns somebody whose row says so, and who signs in before it does."""
        person = await self.api.person()
        await self.set_user(person, role=role, kyc_level=3, mfa_enabled=True, **values)
        return person

    async def key(self, person: SignedIn, *scopes: str, **given: Any) -> str:
        request = auth_pb2.CreateApiKeyRequest(name="a robot", scopes=scopes, **given)
        made = await self.api.auth.CreateApiKey(request, metadata=person.metadata)
        return str(made.secret)

    async def ticket(self, person: SignedIn) -> str:
        request = auth_pb2.CreateStreamTicketRequest()
        made = await self.api.auth.CreateStreamTicket(request, metadata=person.metadata)
        return str(made.ticket)

    async def callers(self) -> list[Caller]:
        """Returns the callers of the matrix."""
        return [*await self._people(), *await self._unknown(), *await self._keys()]

    async def _people(self) -> list[Caller]:
        found = []
        for role in ROLES:
            person = await self.person(role)
            found.append(Caller(role.lower(), person.metadata, NUMBERS[role], level=3))
        for level in range(3):
            newcomer = await self.person("TRADER")
            await self.set_user(newcomer, kyc_level=level)
            found.append(
                Caller(f"trader of level {level}", newcomer.metadata, NUMBERS["TRADER"], "", level)
            )
        careless = await self.person("ADMIN")
        await self.set_user(careless, mfa_enabled=False)
        found.append(
            Caller(
                "admin without factor", careless.metadata, NUMBERS["ADMIN"], level=3,
                lacks_mfa=True,
            )
        )  # fmt: skip
        return found

    async def _unknown(self) -> list[Caller]:
        suspended = await self.person("TRADER", status="SUSPENDED")
        closed = await self.person("TRADER", status="CLOSED")
        gone = await self.person("ADMIN")
        await self.api.auth.Logout(auth_pb2.LogoutRequest(), metadata=gone.metadata)
        return [
            Caller("anonymous", refusal="UNAUTHENTICATED"),
            Caller("forged token", bearer("a.b.c"), refusal="TOKEN_INVALID"),
            Caller("expired token", await self._expired(), refusal="TOKEN_EXPIRED"),
            Caller("ended session", gone.metadata, refusal="TOKEN_INVALID"),
            Caller("suspended", suspended.metadata, refusal="ACCOUNT_SUSPENDED"),
            Caller("closed account", closed.metadata, refusal="TOKEN_INVALID"),
        ]

    async def _keys(self) -> list[Caller]:
        found = []
        for role in ("TRADER", "ADMIN"):
            owner = await self.person(role)
            single = [(one,) for one in KEY_SCOPES] if role == "TRADER" else []
            for scopes in [*single, KEY_SCOPES]:
                secret = await self.key(owner, *scopes)
                name = f"key of {role.lower()}: {', '.join(scopes)}"
                held = frozenset(scopes)
                found.append(Caller(name, bearer(secret), NUMBERS[role], "", 3, held))
        owner = await self.person("TRADER")
        far = await self.key(owner, *KEY_SCOPES, allowed_networks=["198.51.100.0/24"])
        found.append(Caller("key from elsewhere", bearer(far), refusal="KEY_NETWORK"))
        idle = await self.person("TRADER")
        stopped = await self.key(idle, *KEY_SCOPES)
        await self.set_user(idle, status="SUSPENDED")
        found.append(Caller("key of a suspended", bearer(stopped), refusal="ACCOUNT_SUSPENDED"))
        return found

    async def _expired(self) -> tuple[tuple[str, str], ...]:
        base = self.api.application.base
        admin = await self.person("ADMIN")
        claims = base.tokens.verified_access(admin.tokens.access_token)
        subject = Subject(claims.user_id, claims.session_id, claims.session_version)
        now = base.clock.epoch()
        with patch.object(base.tokens, "_epoch", lambda: now - 901):
            token = base.tokens.access(subject, Rights("ADMIN", 3, None, None), base.ids.ulid())
        return bearer(token)


_spend = Limits.spend


def _stop(self: Limits, call: Call) -> None:
    if call.languages == PROBE and (call.grant or call.method.rule.is_public):
        raise DomainError("RATE_LIMITED", limit=PROBE, retry_after_ms=1)
    _spend(self, call)


def outcome(reason: str) -> str:
    """Returns what became of a probe; the limit behind the access check lets nobody through."""
    return ADMITTED if reason == "RATE_LIMITED" else reason


def wrong(method: Declared, caller: Caller, got: str, way: str = "gRPC") -> str:
    """Returns how a cell differs from what is declared, or ""."""
    expected = method.expected(caller)
    return "" if got == expected else f"{way} {method.path} by {caller.name}: {got}, not {expected}"


@asynccontextmanager
async def exchange(settings: Settings, folder: Path) -> AsyncIterator[Exchange]:
    """Runs a server behind Envoy, in which probes change nothing."""
    rest_port, admin_port = free_ports(2)
    with patch.object(Limits, "spend", _stop):
        # The core tells the machine's time, so the day is the machine's.
        clock = FakeClock(datetime.now(UTC))
        async with running(wire.build(settings, clock=clock)) as api:
            options = EdgeOptions(
                host="127.0.0.1",
                rest_port=rest_port,
                admin_port=admin_port,
                upstreams=(("127.0.0.1", api.application.grpc_port),),
                calls_per_s_per_ip=1_000_000,
                sign_ins_per_min_per_ip=1_000_000,
            )
            edge = Edge(options, folder)
            with patch.object(process, "_READY_S", START_S):
                await edge.start()
            try:
                address = f"http://127.0.0.1:{rest_port}"
                async with httpx.AsyncClient(base_url=address, timeout=20) as rest:
                    yield Exchange(api, rest)
            finally:
                await edge.stop()
