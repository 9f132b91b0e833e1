"""Every method, by gRPC and REST, is refused to exactly those whom its proto does not let in."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import grpc
import httpx

from authorization.declared import ADMITTED, METHODS, Caller, Declared, filled
from authorization.people import MALFORMED, PROBE, Exchange, exchange, outcome, wrong
from farmgate.app.settings import Settings
from farmgate.errors import DomainError
from farmgate.rpc.methods import Rule
from support import refusal_of

TRIES = 30
LANGUAGE = ("accept-language", PROBE)


async def by_grpc(found: Exchange, method: Declared, caller: Caller) -> str:
    """Probes a method; returns what became of it."""
    channel, one = found.api.channel, method.descriptor
    kind = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }[one.client_streaming, one.server_streaming]
    request = [] if one.client_streaming else MALFORMED
    call = kind(method.path)(request, metadata=(*caller.metadata, LANGUAGE), timeout=20)
    try:
        if one.server_streaming:
            async for _ in call:
                break
            call.cancel()
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return outcome(refusal_of(error).reason)
    return "OK"


async def by_rest(found: Exchange, verb: str, path: str, caller: Caller) -> str:
    """Probes a REST path; returns what became of it."""
    headers = {
        key: value for key, value in (*caller.metadata, LANGUAGE) if key != "x-stream-ticket"
    }
    for _ in range(TRIES):
        async with found.rest.stream(verb, filled(path), headers=headers) as reply:
            if reply.status_code == 200:
                return "OK"
            await reply.aread()
        # No rule says so: on a busy machine Envoy misses the server for a moment.
        if reason_of(reply) != "UNAVAILABLE":
            break
        await asyncio.sleep(1)
    return outcome(reason_of(reply))


def reason_of(reply: httpx.Response) -> str:
    """Returns the reason that REST tells."""
    details = reply.json().get("details", [])
    return next((one["reason"] for one in details if "reason" in one), reply.text)


async def grpc_cells(
    found: Exchange, callers: Iterable[Caller], methods: Iterable[Declared] = METHODS
) -> list[str]:
    """Tries every cell by gRPC; returns those that are not as declared."""
    cells = [(method, caller) for method in methods for caller in callers]
    got = await _each(cells, lambda method, caller: by_grpc(found, method, caller))
    return [text for cell, one in zip(cells, got, strict=True) if (text := wrong(*cell, one))]


async def _each(cells: list[Any], probe: Callable[..., Any]) -> list[str]:
    """Tries some cells at a time."""
    gate = asyncio.Semaphore(16)

    async def one(cell: Any) -> str:
        async with gate:
            return str(await probe(*cell))

    return await asyncio.gather(*(one(cell) for cell in cells))


def test_every_method_declares_who_may_call() -> None:
    """AUT-014."""
    assert len(METHODS) > 190
    assert all(method.access.audience for method in METHODS)


async def test_every_cell_is_as_declared(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """AUT-039: by gRPC, by REST, and by stream tickets."""
    async with exchange(make_settings(**SETTINGS), tmp_path / "edge") as found:
        callers = await found.callers()
        faults = await grpc_cells(found, callers)
        cells = [
            (method, caller, verb, path)
            for method in METHODS for verb, path in method.rest for caller in callers
        ]  # fmt: skip
        got = await _each(cells, lambda _m, caller, verb, path: by_rest(found, verb, path, caller))
        faults += [
            text
            for (method, caller, verb, path), one in zip(cells, got, strict=True)
            if (text := wrong(method, caller, one, f"{verb} {path}"))
        ]
        faults += await _tickets(found)
        print(f"{len(METHODS)} methods, {len(callers)} callers: {len(cells)} cells of REST")
        assert not faults, "\n".join([f"{len(faults)} cells:", *faults[:40]])


async def _tickets(found: Exchange) -> list[str]:
    """Tries every method by a stream ticket; only where it does is it spent."""
    person = await found.person("TRADER")
    faults, ticket = [], await found.ticket(person)
    for method in METHODS:
        caller = Caller("ticket", (("x-stream-ticket", ticket),), 2, level=3, has_ticket=True)
        got = await by_grpc(found, method, caller)
        faults.append(wrong(method, caller, got, "ticket"))
        if method.access.accepts_stream_ticket:
            again = await by_grpc(found, method, caller)
            faults.append("" if again == "STREAM_TICKET_INVALID" else f"{method.path}: {again}")
            ticket = await found.ticket(person)
    return [fault for fault in faults if fault]


SETTINGS = {
    "auth_admin_mfa": True,
    "rate_user_per_min": 1_000_000,
    "rate_ip_per_min": 1_000_000,
}


class Lax:
    """A rule with one of its conditions taken away."""

    def __init__(self, rule: Rule, **without: Any) -> None:
        self._rule = rule
        self._without = without

    def __getattr__(self, name: str) -> Any:
        return self._without.get(name, getattr(self._rule, name))


# Enough to see it, in a quarter of the time.
SOME = METHODS[::4]
TAKEN_AWAY: dict[str, dict[str, Any]] = {
    "roles": {"roles": frozenset()},
    "level": {"kyc_level_min": 0},
    "second factor": {"allowed_without_mfa": True},
    "signing in": {"is_public": True},
}


async def test_a_check_that_is_taken_away_is_seen(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """AUT-039: without any one of its checks the server fails the matrix."""
    from farmgate.rpc import interceptors  # noqa: PLC0415 - It is broken here only.

    honest = interceptors.authorise
    async with exchange(make_settings(**SETTINGS), tmp_path / "edge") as found:
        callers = await found.callers()
        people = [one for one in callers if not one.refusal and one.scopes is None]
        keys = [one for one in callers if one.scopes is not None and not one.refusal]
        nobody = [one for one in callers if one.name == "anonymous"]
        for name, without in TAKEN_AWAY.items():

            def lax(rule: Any, principal: Any, without: Any = without) -> None:
                honest(Lax(rule, **without), principal)

            with patch.object(interceptors, "authorise", lax):
                tried = nobody if name == "signing in" else people
                faults = await grpc_cells(found, tried, SOME)
            missed = set(_denied(tried, REASONS[name])) - _cells(faults)
            assert faults, name
            assert not missed, (name, missed)

        def unscoped(rule: Any, principal: Any) -> None:
            try:
                honest(rule, principal)
            except DomainError as refusal:
                if refusal.reason != "SCOPE_MISSING":
                    raise

        with patch.object(interceptors, "authorise", unscoped):
            faults = await grpc_cells(found, keys, SOME)
        assert _cells(faults) >= set(_denied(keys, "SCOPE_MISSING"))


REASONS = {
    "roles": "PERMISSION_DENIED",
    "level": "KYC_LEVEL_REQUIRED",
    "second factor": "MFA_ENROLLMENT_REQUIRED",
    "signing in": "UNAUTHENTICATED",
}


def _denied(callers: Iterable[Caller], reason: str) -> list[str]:
    """Returns the cells in which the declared access refuses for a reason."""
    return [
        f"{method.path} by {caller.name}"
        for method in SOME for caller in callers if method.expected(caller) == reason
    ]  # fmt: skip


def _cells(faults: list[str]) -> set[str]:
    return {fault.removeprefix("gRPC ").rpartition(": ")[0] for fault in faults}


def test_the_oracle_tells_callers_apart() -> None:
    """Somebody is let in nowhere but at public methods, and everybody somewhere."""
    nobody = Caller("anonymous", refusal="UNAUTHENTICATED")
    public = [method for method in METHODS if method.expected(nobody) == ADMITTED]
    assert 0 < len(public) < len(METHODS) / 2
