"""A reader who takes nothing is ended with a stable reason, and holds nobody up."""

import asyncio
import contextlib

import grpc
import pytest

from farmgate.api.admin.v1 import admin_pb2
from farmgate.db.outbox import Announcement, announce
from service.admin.operators import Operators, with_role
from support import Api

EVENTS = 400


async def test_who_does_not_read_is_ended(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """TRD-215."""
    monkeypatch.setattr("farmgate.rpc.interceptors._STALLED_S", 0.5)
    monkeypatch.setattr("farmgate.rpc.interceptors._ABORT_S", 0.2)
    admin, base = await with_role(api, "ADMIN"), api.application.base
    now = base.clock.now()
    # More than the buffers between the two ends hold.
    told = [
        Announcement(
            "admin.config_changed", now, role="ADMIN", about=f"{number}",
            data={"key": "k", "reason": "x" * 40_000},
        )
        for number in range(EVENTS)
    ]  # fmt: skip
    await base.database.write(lambda tx: announce(tx, *told))
    request = admin_pb2.WatchAdminEventsRequest(after_event_id="0" * 26)
    options = [("grpc.http2.lookahead_bytes", 16_384), ("grpc.http2.bdp_probe", 0)]
    address = f"127.0.0.1:{api.application.grpc_port}"
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        stub = Operators(Api(channel, api.application)).admin
        lazy = stub.WatchAdminEvents(request, metadata=admin.metadata)
        await lazy.read()
        meter = base.metrics

        async def outcome() -> float:
            labels = {
                "service": "farmgate.api.admin.v1.AdminService", "method": "WatchAdminEvents",
                "outcome": "SLOW_CONSUMER",
            }  # fmt: skip
            return meter.get_sample_value("farmgate_rpc_calls_total", labels) or 0

        async with asyncio.timeout(30):
            while not await outcome():
                await asyncio.sleep(0.02)
        # What was sent is still there to be read, and after it the reason.
        count = 1
        with contextlib.suppress(grpc.aio.AioRpcError):
            while await lazy.read() is not grpc.aio.EOF:
                count += 1
        assert await lazy.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "too slowly" in await lazy.details()
        ended = dict(tuple(await lazy.trailing_metadata()))
        assert b"SLOW_CONSUMER" in ended["grpc-status-details-bin"]
        assert 0 < count < EVENTS
