"""The audit log as auditors read it, settings with their versions, announcements."""

import csv
import io
import json

import pytest
from sqlalchemy import update

from farmgate.api.admin.v1 import announcements_pb2, audit_pb2, config_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.db.audit import audit_log
from farmgate.ports.clock import FakeClock
from service.admin.operators import Operators, with_role
from support import Api, SignedIn, refused

REASON = "decided by the board"


async def test_audit_log_is_listed_exported_and_verified(api_on_any: Api) -> None:
    """ADM-010, ADM-011."""
    api = api_on_any
    auditor, calls = await with_role(api, "AUDITOR"), Operators(api)
    for _ in range(5):
        await api.person()
    request = audit_pb2.ListAuditLogsRequest(action="Register", page_size=4)
    first = await calls.audit.ListAuditLogs(request, metadata=auditor.metadata)
    request.page_token = first.next_page_token
    second = await calls.audit.ListAuditLogs(request, metadata=auditor.metadata)
    sequences = [log.sequence for log in (*first.logs, *second.logs)]
    assert len(sequences) == 6
    assert sequences == sorted(sequences, reverse=True)

    exported = {}
    for kind in (audit_pb2.AUDIT_EXPORT_FORMAT_CSV, audit_pb2.AUDIT_EXPORT_FORMAT_NDJSON):
        stream = calls.audit.ExportAuditLogs(
            audit_pb2.ExportAuditLogsRequest(format=kind), metadata=auditor.metadata
        )
        exported[kind] = b"".join([part.data async for part in stream]).decode()
    rows = list(csv.DictReader(io.StringIO(exported[audit_pb2.AUDIT_EXPORT_FORMAT_CSV])))
    lines = [json.loads(x) for x in exported[audit_pb2.AUDIT_EXPORT_FORMAT_NDJSON].splitlines()]
    assert [row["hash"] for row in rows] == [line["hash"] for line in lines]
    assert [int(row["sequence"]) for row in rows] == list(range(1, len(rows) + 1))

    whole = audit_pb2.VerifyAuditChainRequest()
    good = await calls.audit.VerifyAuditChain(whole, metadata=auditor.metadata)
    assert good.is_good
    assert good.checked_count == len(rows)
    assert good.head_hash == rows[-1]["hash"]
    part = audit_pb2.VerifyAuditChainRequest(from_sequence=3, to_sequence=6)
    found = await calls.audit.VerifyAuditChain(part, metadata=auditor.metadata)
    assert (found.is_good, found.checked_count) == (True, 4)
    await api.application.base.database.write(
        lambda tx: tx.execute(
            update(audit_log).where(audit_log.c.sequence == 5).values(ip="198.51.100.7")
        )
    )
    for request in (whole, part):
        bad = await calls.audit.VerifyAuditChain(request, metadata=auditor.metadata)
        assert (bad.is_good, bad.first_bad_sequence) == (False, 5)


async def set_key(api: Api, admin: SignedIn, key: str, value: str, **given: object) -> object:
    request = config_pb2.SetSystemConfigRequest(key=key, value=value, reason=REASON, **given)
    return await Operators(api).config.SetSystemConfig(request, metadata=admin.metadata)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("no.such_key", "1", "CONFIG_UNKNOWN_KEY"),
        ("registration.enabled", "yes", "CONFIG_INVALID"),
        ("kyc.max_attempts", "0", "CONFIG_INVALID"),
        ("kyc.max_attempts", "1.5", "CONFIG_INVALID"),
        ("kyc.max_attempts", "NaN", "CONFIG_INVALID"),
        ("kyc.level1_daily", "250001", "CONFIG_INVALID"),
        ("kyc.level2_daily", "9999", "CONFIG_INVALID"),
        ("contracts.tolerance_pct", "Infinity", "CONFIG_INVALID"),
        ("ui.banner", "x" * 501, "CONFIG_INVALID"),
    ],
)
async def test_settings_that_break_their_rule_are_refused(
    api: Api, key: str, value: str, reason: str
) -> None:
    """ADM-020."""
    admin = await with_role(api, "ADMIN")
    assert (await refused(set_key(api, admin, key, value))).reason == reason


async def test_settings_are_versioned_and_taken_back(api_on_any: Api, clock: FakeClock) -> None:
    """ADM-021, ADM-022: scenario A19."""
    api = api_on_any
    admin, calls = await with_role(api, "ADMIN"), Operators(api)
    key = "registration.enabled"
    dry = await set_key(api, admin, key, "false", is_dry_run=True)
    assert (dry.is_changed, dry.previous_value, dry.entry.value) == (True, "true", "false")
    await api.person()
    first = await set_key(api, admin, key, "false")
    assert (first.entry.config_version, first.entry.reason) == (1, REASON)
    assert (await refused(api.register())).reason == "REGISTRATION_CLOSED"
    assert not (await set_key(api, admin, key, "false")).is_changed
    refusal = await refused(set_key(api, admin, key, "true", expected_version=7))
    assert refusal.reason == "VERSION_CONFLICT"
    at = clock.now()
    clock.move(60)
    soon = config_pb2.SetSystemConfigRequest(key=key, value="true", reason=REASON)
    soon.effective_time.FromDatetime(at)
    late = await refused(calls.config.SetSystemConfig(soon, metadata=admin.metadata))
    assert late.reason == "INVALID_ARGUMENT"
    back = config_pb2.RollbackConfigRequest(key=key, config_version=0, reason=REASON)
    rolled = await calls.config.RollbackConfig(back, metadata=admin.metadata)
    assert (rolled.entry.config_version, rolled.entry.value) == (2, "true")
    await api.register()
    back.config_version = 9
    refusal = await refused(calls.config.RollbackConfig(back, metadata=admin.metadata))
    assert refusal.reason == "CONFIG_ROLLBACK_UNAVAILABLE"
    history = config_pb2.GetConfigHistoryRequest(key=key)
    entries = (await calls.config.GetConfigHistory(history, metadata=admin.metadata)).entries
    assert [(one.config_version, one.value) for one in entries] == [(2, "true"), (1, "false")]


async def test_a_setting_may_take_effect_later(api: Api, clock: FakeClock) -> None:
    """ADM-023."""
    admin, calls = await with_role(api, "ADMIN"), Operators(api)
    request = config_pb2.SetSystemConfigRequest(
        key="registration.enabled", value="false", reason=REASON
    )
    request.effective_time.FromSeconds(int(clock.now().timestamp()) + 3_600)
    await calls.config.SetSystemConfig(request, metadata=admin.metadata)
    await api.register()
    clock.move(3_600)
    assert (await refused(api.register())).reason == "REGISTRATION_CLOSED"


async def test_announcements_reach_their_audience_in_their_time(api: Api, clock: FakeClock) -> None:
    """ADM-030."""
    admin, calls = await with_role(api, "ADMIN"), Operators(api)
    farmer = await api.person()
    request = announcements_pb2.CreateAnnouncementRequest(
        title="Harvest hours", body="We open at five.", reason=REASON,
        audience=[types_pb2.ROLE_FARMER],
    )  # fmt: skip
    request.end_time.FromSeconds(int(clock.now().timestamp()) + 600)
    made = await calls.announcements.CreateAnnouncement(request, metadata=admin.metadata)

    async def titles(metadata: object = ()) -> list[str]:
        reply = await calls.announcements.ListAnnouncements(
            announcements_pb2.ListAnnouncementsRequest(), metadata=metadata
        )
        return [one.title for one in reply.announcements]

    assert await titles() == []
    assert await titles(admin.metadata) == []
    assert await titles(farmer.metadata) == ["Harvest hours"]
    change = announcements_pb2.UpdateAnnouncementRequest(
        announcement_id=made.announcement.announcement_id,
        announcement=announcements_pb2.Announcement(title="Longer hours"),
        reason=REASON,
    )
    change.update_mask.paths.extend(["title", "audience"])
    await calls.announcements.UpdateAnnouncement(change, metadata=admin.metadata)
    assert await titles() == ["Longer hours"]
    change.update_mask.paths.append("version")
    bad = await refused(calls.announcements.UpdateAnnouncement(change, metadata=admin.metadata))
    assert bad.reason == "INVALID_ARGUMENT"
    clock.move(601)
    assert await titles() == []
    drop = announcements_pb2.DeleteAnnouncementRequest(
        announcement_id=made.announcement.announcement_id, reason=REASON
    )
    admin = SignedIn(admin.user, await api.log_in(admin.user.email))
    await calls.announcements.DeleteAnnouncement(drop, metadata=admin.metadata)
    gone = await refused(calls.announcements.DeleteAnnouncement(drop, metadata=admin.metadata))
    assert gone.reason == "NOT_FOUND"
