"""What the exchange keeps of people, table by table, and what becomes of it when they leave.

A table that names a user is here, or among those that say why they need not be; a test holds it.
Rows are erased in this order, so what refers to another table comes before it.
"""

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Table, select

from farmgate.admin.tables import approvals, reports
from farmgate.ai.tables import ai_runs
from farmgate.auth import tables as auth
from farmgate.blockchain.tables import chain_operation_users, content_objects
from farmgate.contracts import tables as contracts
from farmgate.db.audit import audit_log
from farmgate.db.configuration import system_config
from farmgate.db.outbox import outbox
from farmgate.db.personal import Fate, Personal, Subject
from farmgate.db.replies import kept_replies
from farmgate.market.tables import price_alerts
from farmgate.notifications import tables as notifications
from farmgate.trading import tables as trading
from farmgate.users import tables as users

KEPT, BLANKED, DELETED = Fate.KEPT, Fate.BLANKED, Fate.DELETED
Of = Callable[[Subject], ColumnElement[bool]]
_SIGNED: Final = "It was signed and hashed as it stands; the other party holds it too."
_RECORD: Final = "It is the record of who did what on the exchange, under the user's ID only."
_MONEY: Final = "Books of account are kept; they name accounts by number only."


def _by(table: Table, *columns: str) -> Of:
    """Returns the rows in which one of the columns is the user."""

    def of(subject: Subject) -> ColumnElement[bool]:
        found = table.c[columns[0]] == subject.user_id
        for name in columns[1:]:
            found |= table.c[name] == subject.user_id
        return found

    return of


def _within(table: Table, column: str, parent: Table, owner: str) -> Of:
    """Returns the rows that belong to rows of another table, which the user owns."""

    def of(subject: Subject) -> ColumnElement[bool]:
        owned: Select[Any] = select(parent.c.id).where(parent.c[owner] == subject.user_id)
        return table.c[column].in_(owned)

    return of


def _deleted(table: Table, of: Of | None = None, *secrets: str) -> Personal:
    return Personal(table, of or _by(table, "user_id"), DELETED, secrets=frozenset(secrets))


def _kept(table: Table, of: Of, why: str) -> Personal:
    return Personal(table, of, KEPT, why=why)


def _erased_email(subject: Subject) -> str:
    return f"{subject.user_id.lower()}@erased.invalid"


def _of_letters(subject: Subject) -> ColumnElement[bool]:
    return (auth.letters.c.user_id == subject.user_id) | (auth.letters.c.email == subject.email)


def _own_content(subject: Subject) -> ColumnElement[bool]:
    table = content_objects.c
    return (table.owner_id == subject.user_id) & (table.visibility == "PRIVATE")


def _shared_content(subject: Subject) -> ColumnElement[bool]:
    table = content_objects.c
    return (table.owner_id == subject.user_id) & (table.visibility != "PRIVATE")


def _audited(subject: Subject) -> ColumnElement[bool]:
    return (audit_log.c.actor == subject.user_id) | (
        audit_log.c.resource == f"user/{subject.user_id}"
    )


_SIGNING_IN: Final = (
    _deleted(
        auth.refresh_tokens,
        _within(auth.refresh_tokens, "session_id", auth.sessions, "user_id"),
        "token_hash",
    ),
    _deleted(auth.sessions),
    _deleted(auth.recovery_codes, None, "code_hash"),
    _deleted(auth.mfa_factors, None, "secret"),
    _deleted(auth.api_keys, None, "secret_hash"),
    _deleted(auth.letters, _of_letters),
    _deleted(auth.credentials, None, "password_hash"),
    _deleted(users.wallet_challenges),
)

_PEOPLE: Final = (
    _deleted(
        users.farm_certifications,
        _within(users.farm_certifications, "farm_id", users.farms, "owner_id"),
    ),
    _deleted(users.crop_plans, _within(users.crop_plans, "farm_id", users.farms, "owner_id")),
    Personal(
        users.farms, _by(users.farms, "owner_id"), BLANKED,
        blank={
            "name": "", "region": "", "latitude": "", "longitude": "", "boundary": "", "soil": "",
            "deleted_at": lambda subject: subject.now,
        },
        why="Contracts name the farm that goods come from by its ID.",
    ),
    Personal(
        users.kyc_documents,
        _within(users.kyc_documents, "case_id", users.kyc_cases, "user_id"), BLANKED,
        blank={"status": "SHREDDED", "sha256": "", "wrapped_key": None, "content": None},
        why="That a document of a kind was seen shows how a level was given.",
        secrets=frozenset({"wrapped_key", "content"}),
    ),
    Personal(
        users.kyc_cases, _by(users.kyc_cases, "user_id"), BLANKED,
        blank={"form": None, "decision_reason": "", "status": "EXPIRED"},
        why="When a level was given and by whom is told to supervisors.",
        secrets=frozenset({"form"}),
    ),
    _deleted(
        users.organization_invitations,
        lambda subject: users.organization_invitations.c.email == subject.email,
    ),
    Personal(
        users.memberships, _by(users.memberships, "user_id"), BLANKED, blank={"share_pct": ""},
        why="Who acted for an organisation is its record.",
    ),
    _kept(
        users.warehouse_receipts,
        lambda subject: users.warehouse_receipts.c.account_id == subject.account_id,
        "Goods in store keep their history, by account.",
    ),
    _deleted(users.data_exports, None, "wrapped_key", "content"),
    _kept(users.accounts, _by(users.accounts, "user_id"), _MONEY),
    Personal(
        users.users, _by(users.users, "id"), BLANKED,
        blank={
            "email": _erased_email, "phone": "", "display_name": "Erased user", "country": "",
            "locale": "en", "timezone": "UTC", "wallet_address": None, "wallet_verified_at": None,
            "mfa_enabled": False, "organization_id": None, "last_login_at": None,
        },
        why="Orders, contracts and the audit log refer to it: the user's ID is the pseudonym.",
    ),
)  # fmt: skip

_MESSAGES: Final = (
    _deleted(
        notifications.deliveries,
        _within(
            notifications.deliveries, "notification_id", notifications.notifications, "user_id"
        ),
    ),
    _deleted(notifications.notifications),
    _deleted(notifications.preferences),
    _deleted(
        notifications.webhook_deliveries,
        _within(notifications.webhook_deliveries, "webhook_id", notifications.webhooks, "user_id"),
    ),
    _deleted(notifications.webhooks, None, "secret", "old_secret"),
    _deleted(price_alerts),
    Personal(outbox, _by(outbox, "user_id"), DELETED, is_told=False),
    Personal(kept_replies, _by(kept_replies, "caller"), DELETED, is_told=False),
)

_DEALINGS: Final = (
    _deleted(content_objects, _own_content, "wrapped_key"),
    Personal(
        content_objects, _shared_content, KEPT, why=_SIGNED, secrets=frozenset({"wrapped_key"})
    ),
    _kept(chain_operation_users, _by(chain_operation_users, "user_id"), _RECORD),
    _kept(contracts.contracts, _by(contracts.contracts, "seller_id", "buyer_id"), _SIGNED),
    _kept(contracts.signatures, _by(contracts.signatures, "user_id"), _SIGNED),
    _kept(contracts.contract_events, _by(contracts.contract_events, "actor_id"), _SIGNED),
    _kept(contracts.fixations, _by(contracts.fixations, "fixed_by"), _SIGNED),
    _kept(trading.withdrawals, _by(trading.withdrawals, "user_id"), _MONEY),
    Personal(
        trading.trade_reviews, _by(trading.trade_reviews, "requested_by"), BLANKED,
        blank={"reason": ""}, why=_RECORD,
    ),
    _kept(trading.block_reports, _by(trading.block_reports, "reported_by"), _RECORD),
    _kept(
        trading.account_statements,
        lambda subject: trading.account_statements.c.account == subject.account,
        _MONEY,
    ),
    _kept(approvals, _by(approvals, "requested_by", "approved_by"), _RECORD),
    Personal(
        reports, _by(reports, "requested_by"), KEPT, why=_RECORD, secrets=frozenset({"content"})
    ),
    _kept(system_config, _by(system_config, "changed_by"), _RECORD),
    _kept(ai_runs, _by(ai_runs, "requested_by"), _RECORD),
    _kept(audit_log, _audited, "Each row is sealed with the hash of the one before."),
)  # fmt: skip

PERSONAL: Final = (*_SIGNING_IN, *_MESSAGES, *_DEALINGS, *_PEOPLE)

HISTORY: Final = (
    _kept(trading.orders, lambda subject: trading.orders.c.account == subject.account, _MONEY),
    _kept(
        trading.trades,
        lambda subject: (
            (trading.trades.c.maker_account == subject.account)
            | (trading.trades.c.taker_account == subject.account)
        ),
        _MONEY,
    ),
    _kept(
        trading.ledger_entries,
        lambda subject: trading.ledger_entries.c.account == subject.account,
        _MONEY,
    ),
)
