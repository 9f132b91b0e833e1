"""What operators see, as messages."""

from datetime import UTC, datetime
from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp

from farmgate.admin.controls import Request
from farmgate.admin.statistics import Figures
from farmgate.admin.store import PublicAnnouncement
from farmgate.api.admin.v1 import (
    admin_pb2,
    announcements_pb2,
    audit_pb2,
    config_pb2,
    controls_pb2,
)
from farmgate.api.contracts.v1 import contract_types_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.db.audit import Sealed
from farmgate.db.configuration import Version
from farmgate.db.settings_catalogue import KEYS
from farmgate.users.messages import timestamp

_CASH_DECIMALS = 4


def moment(message: Timestamp) -> datetime:
    """Returns the time of a message."""
    return message.ToDatetime(tzinfo=UTC)


def role_number(name: str) -> types_pb2.Role.ValueType:
    """Returns the number of a role; unspecified for what is none, such as PUBLIC."""
    known = f"ROLE_{name}" in types_pb2.Role.keys()  # noqa: SIM118 - An enum is no mapping.
    return types_pb2.Role.Value(f"ROLE_{name}") if known else types_pb2.ROLE_UNSPECIFIED


def audit_message(row: Sealed) -> audit_pb2.AuditLog:
    """Returns an audit row."""
    entry = row.entry
    kind, _, name = entry.resource.partition("/")
    return audit_pb2.AuditLog(
        sequence=row.sequence,
        actor_id=entry.actor,
        actor_role=role_number(entry.role),
        action=entry.action,
        resource_type=kind,
        resource_id=name,
        after_json=entry.detail,
        ip_address=entry.ip,
        request_id=entry.request_id,
        reason=entry.reason,
        previous_hash=row.previous_hash,
        hash=row.hash,
        log_time=timestamp(entry.at),
    )


def config_message(version: Version) -> config_pb2.ConfigEntry:
    """Returns a version of a key."""
    row = KEYS[version.key]
    return config_pb2.ConfigEntry(
        key=version.key,
        type=config_pb2.ConfigType.Value(f"CONFIG_TYPE_{row.kind}"),
        value=version.value,
        default_value=row.default,
        rule=row.rule,
        options=row.options,
        description=row.description,
        config_version=version.version,
        effective_time=timestamp(version.effective_at) if version.effective_at else None,
        changed_by=version.changed_by,
        reason=version.reason,
        change_time=timestamp(version.changed_at) if version.changed_at else None,
    )


def announcement_message(one: PublicAnnouncement) -> announcements_pb2.Announcement:
    """Returns an announcement."""
    return announcements_pb2.Announcement(
        announcement_id=one.id,
        title=one.title,
        body=one.body,
        severity=announcements_pb2.AnnouncementSeverity.ValueType(one.severity),
        audience=[role_number(name) for name in one.audience],
        start_time=timestamp(one.starts_at),
        end_time=timestamp(one.ends_at) if one.ends_at else None,
        version=one.version,
    )


def approval_message(request: Request | None) -> controls_pb2.Approval | None:
    """Returns what waits for a second person, or None."""
    if request is None:
        return None
    until = Timestamp()
    until.FromDatetime(datetime.fromtimestamp(request.expires_at_s, UTC))
    return controls_pb2.Approval(
        approval_id=request.id,
        requested_by=request.requested_by,
        approved_by=request.approved_by,
        is_done=request.is_done,
        expire_time=until,
    )


def statistics_message(figures: Figures, now: datetime) -> admin_pb2.GetStatisticsResponse:
    """Returns the figures of the exchange."""
    counts = figures.counts
    reply = admin_pb2.GetStatisticsResponse(
        order_count=figures.orders,
        trade_count=figures.trades,
        kyc_waiting=counts.get("kyc_waiting", 0),
        open_disputes=counts.get("open_disputes", 0),
        dead_jobs=counts.get("dead_jobs", 0),
        pending_chain_operations=counts.get("pending_chain_operations", 0),
        projection_lag_sequence=max(0, figures.sequence - figures.reached),
        sequence=figures.sequence,
        as_of_time=timestamp(now),
    )
    for role, total, active, recent in figures.users:
        reply.users.add(role=role_number(role), total=total, active=active, active_last_day=recent)
    for one in figures.markets:
        reply.markets.add(
            symbol=one.market["symbol"],
            trade_count=one.trades,
            volume_lots=one.lots,
            notional=_cash(one.notional_minor),
            currency=one.market["quote_asset"],
            open_orders=one.open_orders,
        )
    for asset, fee in sorted(figures.fees.items()):
        reply.fees.add(asset=asset, amount=_cash(fee))
    for state, count in figures.by_state.items():
        number = contract_types_pb2.ContractState.Value(f"CONTRACT_STATE_{state}")
        reply.contracts.add(state=number, count=count)
    return reply


def _cash(minor: int) -> str:
    return f"{Decimal(minor).scaleb(-_CASH_DECIMALS):f}"
