"""What somebody owns is there for its owner and for whom the proto names, and for nobody else."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import grpc
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass

from authorization.declared import ADMITTED, METHODS, Access, Caller, Declared
from authorization.people import NUMBERS, Exchange, exchange
from authorization.requests import Request, ids_of, request
from authorization.resources import World
from farmgate.app.settings import Settings
from farmgate.rpc.call import Call
from service.trading.test_trade_changes import projected
from support import SignedIn, refusal_of

# What a field of a request names; the first of these that a request has is tried.
KINDS: Final = {
    "copy_of_contract_id": "contract",
    "contract_id": "contract",
    "webhook_id": "webhook",
    "delivery_id": "delivery",
    "order_id": "order",
    "farm_id": "farm",
    "organization_id": "organization",
    "alert_id": "alert",
    "cid": "content",
    "document_id": "document",
    "invitation_id": "invitation",
    "key_id": "key",
    "notification_id": "notification",
    "receipt_id": "receipt",
    "session_id": "session",
    "simulation_id": "simulation",
    "statement_id": "statement",
    "trade_id": "trade",
    "account_id": "account",
    "owner_id": "user",
    "user_id": "user",
}
# Fields that name nothing anybody owns: the caller's own words, places in a list, public things.
NOT_OWNED: Final = {
    "after_event_id", "after_notification_id", "before_notification_id", "client_order_id",
    "contract_ids", "forecast_id", "instrument_id", "request_id", "schedule_id", "tax_id",
}  # fmt: skip
# Whom a request names as the other side: anybody may be asked.
OTHERS: Final = {"broker_user_id", "counterparty_account_id", "counterparty_user_id",
                 "new_party_user_id"}  # fmt: skip
# Organisations have neither yet: whichever is named is missing, to everybody.
NOT_TRIED: Final = {"WebhookService/CreateWebhook", "KycService/SubmitKyc"}
REACHES, HIDDEN = "reaches", "hidden"


def key_of(method: Declared) -> str:
    """Returns the field that names what the method is about, or ""."""
    fields = {one for one in ids_of(method.descriptor.input_type) if "." not in one}
    # The order only narrows down what an account traded.
    fields -= {"order_id"} if method.path.endswith("/ListTrades") else set()
    return next((name for name in KINDS if name in fields), "")


OWNED: Final = [method for method in METHODS if method.is_owned]
KEYED: Final = [
    method for method in OWNED if key_of(method) and method.path.rpartition(".")[2] not in NOT_TRIED
]


def test_every_field_that_names_something_is_known() -> None:
    """AUT-040: a new method is tried, or its fields are said to name nothing owned."""
    known = set(KINDS) | NOT_OWNED | OTHERS
    for method in OWNED:
        names = {one for one in ids_of(method.descriptor.input_type) if "." not in one}
        others = names - known - {key_of(method)}
        # Below the resource that is tried; who does not reach it does not come so far.
        assert key_of(method) or not others, (method.path, others)


def test_what_belongs_to_nobody_names_nobodys() -> None:
    """AUT-040: a method that takes somebody's resource from all says whose it is."""
    staff = {"AUDITOR", "ADMIN", "INSPECTOR"}
    for method in METHODS:
        roles = {int(one) for one in method.access.roles}
        is_open = not method.is_public and (not roles or roles & {1, 2, 3})
        if is_open and not method.is_owned:
            assert not key_of(method), (method.path, staff)


def caller_of(name: str, person: SignedIn) -> Caller:
    """Returns somebody of the tests as the rules see them."""
    role = NUMBERS.get(name.upper(), person.user.role)
    return Caller(name, person.metadata, role, level=3)


def expected(method: Declared, name: str, person: SignedIn) -> str:
    """Returns whether the proto lets somebody reach what the owner has."""
    access = method.access
    if name == "owner" or caller_of(name, person).role in access.bypass_ownership_roles:
        return REACHES
    is_managed = access.ownership == Access.OWNERSHIP_ORGANIZATION
    return REACHES if name == "own manager" and is_managed else HIDDEN


class Matrix:
    """Tries methods as people around one owner."""

    def __init__(self, found: Exchange, world: World) -> None:
        self.found = found
        self.world = world
        self.people = world.people
        self.cell_count = 0
        self.unbuilt: list[str] = []

    async def faults(self, method: Declared) -> list[str]:
        """Returns what is not as declared of one method."""
        kind = KINDS[key_of(method)]
        thing = await self.world.make(kind)
        found, reaching = [], []
        for name, person in self.people.items():
            if method.expected(caller_of(name, person)) != ADMITTED:
                continue
            if expected(method, name, person) == REACHES:
                reaching.append((name, person))
                continue
            for way in ("grpc", "rest"):
                found += await self._hidden(method, thing, name, person, way)
        # Last, since they may change it.
        shown = 0
        for name, person in reaching:
            if method.access.mutates and shown:
                thing = await self.world.make(kind)
            fault, is_built = await self._shown(method, thing, name, person)
            if not is_built:
                self.unbuilt.append(method.path)
                return []
            shown += 1
            found += fault
        if not shown:
            found.append(f"{method.path}: nobody reaches it")
        return found

    async def _hidden(
        self, method: Declared, thing: str, name: str, person: SignedIn, way: str
    ) -> list[str]:
        if way == "rest" and not method.rest:
            return []
        self.cell_count += 1
        ask = self._by_rest if way == "rest" else self._by_grpc
        foreign = await answered(lambda: ask(method, thing, person))
        missing = await answered(lambda: ask(method, absent(thing), person))
        if "NOT_BUILT_YET" in foreign:
            return []
        if foreign.startswith("OK") and foreign != missing:
            return [f"{way} {method.path} by {name}: reached: {foreign[:200]}"]
        if foreign != missing:
            return [f"{way} {method.path} by {name}: {foreign} but missing {missing}"]
        return []

    async def _shown(
        self, method: Declared, thing: str, name: str, person: SignedIn
    ) -> tuple[list[str], bool]:
        self.cell_count += 1
        missing = await self._by_grpc(method, absent(thing), person)
        there = await self._by_grpc(method, thing, person)
        if "NOT_BUILT_YET" in there:
            return [], False
        is_told_apart = there != missing
        return ([] if is_told_apart else [f"{method.path} by {name}: only {there}"]), True

    def _request(self, method: Declared, thing: str) -> Request:
        return request(method, **self.world.values(method), **{key_of(method): thing})

    async def _by_grpc(self, method: Declared, thing: str, person: SignedIn) -> str:
        one = method.descriptor
        channel = self.found.api.channel
        data = self._request(method, thing).message().SerializeToString()
        try:
            if one.server_streaming:
                call = channel.unary_stream(method.path)(data, metadata=person.metadata, timeout=10)
                async for _ in call:
                    break
                call.cancel()
                return "OK a stream"
            reply = await channel.unary_unary(method.path)(
                data, metadata=person.metadata, timeout=10
            )
        except grpc.aio.AioRpcError as error:
            refusal = refusal_of(error)
            return told(refusal.reason, refusal.metadata, thing)
        return "OK " + told("", _json(one, reply), thing)

    async def _by_rest(self, method: Declared, thing: str, person: SignedIn) -> str:
        sent = self._request(method, thing).rest()
        headers = {**dict(person.metadata), **sent.pop("headers", {})}
        stream = self.found.rest.stream(
            sent.pop("method"), sent.pop("url"), headers=headers, **sent
        )
        async with stream as reply:
            if reply.status_code == 200 and method.descriptor.server_streaming:
                return "OK a stream"
            await reply.aread()
        body = reply.json()
        if reply.status_code == 200:
            return "OK " + told("", body, thing)
        info = next(one for one in body["details"] if "reason" in one)
        return told(info["reason"], info["metadata"], thing)


async def answered(ask: Callable[[], Awaitable[str]]) -> str:
    """Returns an answer that is not that Envoy misses the server for a moment."""
    for _ in range(30):
        if not (found := await ask()).startswith("UNAVAILABLE"):
            return found
        await asyncio.sleep(1)
    raise AssertionError("The server is away.")


def _json(descriptor: Any, data: bytes) -> Any:
    message = GetMessageClass(descriptor.output_type).FromString(data)
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def told(reason: str, values: Any, thing: str) -> str:
    """Returns an answer without the ID that was asked for, and without sequences and times."""
    text = json.dumps(values, sort_keys=True).replace(thing, "THING")
    text = re.sub(r'"(sequence|request_id)": "[^"]*"', "", text)
    return f"{reason} {_TIME.sub('TIME', text)}"


_TIME: Final = re.compile(r'20..-..-..T[^"]*Z')


def absent(thing: str) -> str:
    """Returns an ID of the same form that nobody has."""
    if thing.isdecimal():
        return str(int(thing) + 10**12)
    return thing[:-8] + ("a" * 8 if thing.islower() else "7" * 8)


SETTINGS: Final = {
    "demo": True, "rate_user_per_min": 1_000_000, "rate_ip_per_min": 1_000_000,
    "rate_sign_ins_per_min": 1_000_000,
}  # fmt: skip


async def test_what_is_owned_is_hidden_from_others(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """AUT-040, AUT-015: by gRPC and REST, for every method that is about somebody's own."""
    settings = make_settings(**SETTINGS)
    async with exchange(settings, tmp_path / "edge") as found, projected(settings):
        world = World(found)
        await world.settle()
        matrix = Matrix(found, world)
        faults = []
        for method in KEYED:
            try:
                faults += await matrix.faults(method)
            except Exception as error:  # noqa: BLE001 - All are told at once.
                faults.append(f"{method.path}: {error!r}"[:600])
        print(f"{len(KEYED)} methods, {matrix.cell_count} cells; unbuilt: {matrix.unbuilt}")
        assert not faults, "\n".join([f"{len(faults)} cells:", *faults])
        await nothing_leaks(found, world)
        await nothing_leaks_unseen(matrix)


async def nothing_leaks(found: Exchange, world: World) -> None:
    """Asks without naming anybody: a stranger is told nothing of the owner."""
    secrets = {world.owner.user.user_id, world.owner.user.account_id, world.owner.user.email}
    secrets |= {thing for thing in world.made if len(thing) > 10} - {world.organization_id}
    leaks, telling = [], 0
    for method in OWNED:
        if method.access.mutates or method.descriptor.server_streaming:
            continue
        for name, person in world.people.items():
            if method.expected(caller_of(name, person)) != ADMITTED:
                continue
            call = found.api.channel.unary_unary(method.path)
            try:
                reply = await call(b"", metadata=person.metadata, timeout=10)
            except grpc.aio.AioRpcError as error:
                if refusal_of(error).reason == "INTERNAL":
                    leaks.append((method.path, name, ["a fault"]))
                continue
            seen = [one for one in secrets if one.encode() in reply]
            telling += bool(seen) and name == "owner"
            if seen and expected(method, name, person) == HIDDEN:
                leaks.append((method.path, name, seen))
    assert not leaks, leaks
    assert telling >= 10, "The owner is told of what there is."


async def nothing_leaks_unseen(matrix: Matrix) -> None:
    """With the check taken away, the matrix sees it at every method that has one."""
    blind = []
    with patch.object(Call, "bypasses_ownership", property(lambda _: True)):
        for method in KEYED:
            is_hidden = any(
                expected(method, name, person) == HIDDEN
                for name, person in matrix.world.people.items()
                if method.expected(caller_of(name, person)) == ADMITTED
            )
            if not method.access.bypass_ownership_roles or not is_hidden:
                continue
            if method.path in matrix.unbuilt:
                continue
            if not await matrix.faults(method):
                blind.append(method.path)
    assert not blind, blind
    # Who is taken for the owner is seen, whatever the check is.
    world = matrix.world
    matrix.people = {"farmer": world.owner}
    for method in KEYED:
        if (
            method.path in matrix.unbuilt
            or method.expected(caller_of("farmer", world.owner)) != ADMITTED
        ):
            continue
        assert await matrix.faults(method), method.path
