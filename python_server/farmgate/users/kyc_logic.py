"""Use cases of KYC: handing in, reviewing, deciding, and what a level changes."""

import hashlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import date
from typing import Final, TypeVar

from sqlalchemy import Connection

from farmgate.db import configuration
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce, text_of
from farmgate.errors import DomainError, invalid
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids
from farmgate.telemetry.logs import logger
from farmgate.users import kyc_rules as rules
from farmgate.users import kyc_store as store
from farmgate.users import store as people
from farmgate.users.envelope import Envelope
from farmgate.users.kyc_store import Case, Document
from farmgate.users.kyc_values import Form, Ruling, Verdict
from farmgate.users.store import User

M = TypeVar("M", bound=Serializable)
_log = logger(__name__)
_TWO_APPROVE: Final = 3
_EXPIRED_AT_ONCE: Final = 100

# Hears, after the commit, that the level of a user changed.
LevelListener = Callable[[User], Awaitable[None]]


class Kyc:
    """Keeps cases.

    Args:
        database: Where they are kept.
        envelope: Encrypts documents.
        clock: Tells the time.
        ids: Names cases and documents.
    """

    def __init__(self, database: Database, envelope: Envelope, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._envelope = envelope
        self._clock = clock
        self._ids = ids
        self._listeners: list[LevelListener] = []

    def listen(self, listener: LevelListener) -> None:
        """Calls this after the level of a user changed."""
        self._listeners.append(listener)

    async def status(self, user_id: str) -> tuple[User, Case | None]:
        """Returns a user with the newest case."""
        return await self._database.read(
            lambda tx: (_user(tx, user_id), store.newest_case(tx, user_id))
        )

    async def allowances(self) -> list[rules.Allowance]:
        """Returns what each level allows, from 0."""
        values = await self._database.read(lambda tx: configuration.current(tx, self._clock.now()))
        money = values.decimal
        return [
            rules.Allowance(0, "registration", may_trade=False, may_contract=False,
                            order=None, daily=None, contract=None, withdrawal=None),
            rules.Allowance(1, "a verified e-mail address", may_trade=True, may_contract=False,
                            order=money("kyc.level1_order"), daily=money("kyc.level1_daily"),
                            contract=None, withdrawal=None),
            rules.Allowance(2, "identity and address; for farmers the land or the farm",
                            may_trade=True, may_contract=True, order=None,
                            daily=money("kyc.level2_daily"), contract=money("kyc.level2_contract"),
                            withdrawal=money("kyc.level2_withdraw")),
            rules.Allowance(3, "the company, its owners and its bank", may_trade=True,
                            may_contract=True, order=None, daily=None, contract=None,
                            withdrawal=None),
        ]  # fmt: skip

    async def upload(
        self, user_id: str, kind: int, data: bytes, target_level: int, effect: Effect[Document, M]
    ) -> M:
        """Adds a document to the case being prepared, which is begun if there is none.

        Raises:
            DomainError: DOCUMENT_TYPE_UNSUPPORTED, PAYLOAD_TOO_LARGE, KYC_STATE, KYC_COOLDOWN or
                KYC_LEVEL_REQUIRED.
        """
        media_type = rules.media_type(data)
        document_id, now = self._ids.ulid(), self._clock.now()
        wrapped_key, content = self._envelope.shut(data, document_id)

        def write(connection: Connection) -> None:
            case = self._open_case(connection, user_id, target_level)
            document = Document(
                document_id, case.id, kind, "UPLOADED", media_type, len(data),
                hashlib.sha256(data).hexdigest(), "", now,
            )  # fmt: skip
            store.add_document(connection, document, wrapped_key=wrapped_key, content=content)
            effect.record(connection, document, resource=f"kyc/{case.id}")

        await self._database.write(write)
        return effect.reply

    async def delete(self, user_id: str, document_id: str, effect: Effect[None, M]) -> M:
        """Destroys a document of a case being prepared.

        Raises:
            DomainError: NOT_FOUND or KYC_STATE.
        """

        def write(connection: Connection) -> None:
            found = store.sealed_document(connection, document_id)
            case = store.case(connection, found[0].case_id) if found else None
            if case is None or case.user_id != user_id:
                raise DomainError("NOT_FOUND", resource="document", id=document_id)
            if case.status not in rules.OPEN:
                raise DomainError("KYC_STATE", state=case.status, action="deleting a document")
            store.shred(connection, document_id)
            effect.record(connection, None, resource=f"kyc/{case.id}")

        await self._database.write(write)
        return effect.reply

    async def submit(
        self, user_id: str, target_level: int, form: Form, effect: Effect[Case, M]
    ) -> M:
        """Hands the case in.

        Raises:
            DomainError: INVALID_ARGUMENT, KYC_STATE, KYC_COOLDOWN, KYC_LEVEL_REQUIRED or
                KYC_DOCUMENT_MISSING.
        """
        now = self._clock.now()
        _check_birth(form.date_of_birth, now.date())

        def write(connection: Connection) -> None:
            user = _user(connection, user_id)
            case = self._open_case(connection, user_id, target_level)
            kinds = [one.kind for one in case.documents if one.status in {"UPLOADED", "ACCEPTED"}]
            if lacking := rules.missing(target_level, user.role, kinds):
                raise DomainError("KYC_DOCUMENT_MISSING", kind=lacking[0])
            changed = replace(
                case,
                status="SUBMITTED",
                form=self._envelope.shut_form(form.message, case.id),
                risk_score=rules.risk(case.attempts, form.country, form.owner_count),
                submitted_at=now,
                version=case.version + 1,
            )
            store.replace_case(connection, changed)
            told = {"level": target_level}
            announce(
                connection,
                Announcement("kyc.submitted", now, user_id=user_id, about=case.id, data=told),
                Announcement("admin.kyc_queue", now, role="ADMIN", about=case.id, data=told),
            )
            effect.record(connection, changed, resource=f"kyc/{case.id}")

        await self._database.write(write)
        return effect.reply

    async def cases(
        self, *, statuses: Collection[str], assigned_to: str, level: int, after: str, limit: int
    ) -> list[tuple[Case, User]]:
        """Returns cases with whom they are about, oldest first."""

        def read(connection: Connection) -> list[tuple[Case, User]]:
            found = store.case_page(
                connection, statuses=statuses or rules.WAITING, assigned_to=assigned_to,
                level=level, after=after, limit=limit,
            )  # fmt: skip
            return [(one, _user(connection, one.user_id)) for one in found]

        return await self._database.read(read)

    async def assign(
        self, actor: str, case_id: str, reviewer_id: str, reason: str,
        effect: Effect[tuple[Case, User], M],
    ) -> M:  # fmt: skip
        """Gives a case to a reviewer.

        Raises:
            DomainError: NOT_FOUND, KYC_STATE or SELF_REVIEW_FORBIDDEN.
        """

        def write(connection: Connection) -> None:
            case = _case(connection, case_id)
            reviewer = _user(connection, reviewer_id or actor)
            if reviewer.role != "ADMIN":
                raise invalid("reviewer_id", "must be an admin")
            if case.user_id in {reviewer.id, actor}:
                raise DomainError("SELF_REVIEW_FORBIDDEN")
            if case.status not in rules.WAITING:
                raise DomainError("KYC_STATE", state=case.status, action="assigning")
            changed = replace(
                case, status="IN_REVIEW", assigned_to=reviewer.id, version=case.version + 1
            )
            store.replace_case(connection, changed)
            result = (changed, _user(connection, case.user_id))
            effect.record(connection, result, resource=f"kyc/{case_id}", reason=reason)

        await self._database.write(write)
        return effect.reply

    async def decide(
        self, actor: str, case_id: str, ruling: Ruling, effect: Effect[tuple[Case, User], M]
    ) -> M:
        """Decides a case; level 3 is granted by the second approval.

        Raises:
            DomainError: NOT_FOUND, KYC_STATE, VERSION_CONFLICT, SELF_REVIEW_FORBIDDEN or
                FOUR_EYES_REQUIRED.
        """

        def write(connection: Connection) -> User:
            case = _case(connection, case_id)
            if case.user_id == actor:
                raise DomainError("SELF_REVIEW_FORBIDDEN")
            if ruling.expected not in {0, case.version}:
                raise DomainError("VERSION_CONFLICT", actual=case.version, expected=ruling.expected)
            self._judge(connection, case, ruling.verdicts)
            changed = self._decided(connection, actor, case, ruling)
            store.replace_case(connection, changed)
            found = _case(connection, case_id)
            user = _user(connection, case.user_id)
            effect.record(
                connection, (found, user), resource=f"kyc/{case_id}", reason=ruling.reason,
                detail=text_of({"before": case.status, "after": changed.status}),
            )  # fmt: skip
            return user

        await self._tell(await self._database.write(write))
        return effect.reply

    async def document(
        self, case_id: str, document_id: str, reason: str, effect: Effect[None, M]
    ) -> tuple[Document, bytes]:
        """Returns a document with its content; the look is recorded.

        Raises:
            DomainError: NOT_FOUND.
        """

        def look(connection: Connection) -> tuple[Document, bytes]:
            found = store.sealed_document(connection, document_id)
            if found is None or found[0].case_id != case_id or not found[1] or not found[2]:
                raise DomainError("NOT_FOUND", resource="document", id=document_id)
            document, wrapped_key, content = found
            assert wrapped_key is not None, "It was looked at above."
            assert content is not None, "It was looked at above."
            data = self._envelope.open(wrapped_key, content, document_id)
            effect.record(connection, None, resource=f"kyc/{case_id}", reason=reason)
            return document, data

        return await self._database.write(look)

    async def expire(self) -> None:
        """Takes levels back whose approval is over."""

        def write(connection: Connection) -> list[User]:
            now = self._clock.now()
            changed = []
            for case in store.over(connection, now, _EXPIRED_AT_ONCE):
                store.replace_case(
                    connection, replace(case, status="EXPIRED", version=case.version + 1)
                )
                user = _user(connection, case.user_id)
                if user.kyc_level == case.target_level:
                    store.set_level(connection, user.id, case.target_level - 1)
                    changed.append(_user(connection, user.id))
            return changed

        for user in await self._database.write(write):
            await self._tell(user)

    async def _tell(self, user: User) -> None:
        for listener in self._listeners:
            try:
                await listener(user)
            except DomainError as error:
                # The level is decided and stored; limits of the core follow at the next change.
                _log.error("level not applied", user=user.id, reason=error.reason)

    def _open_case(self, connection: Connection, user_id: str, target_level: int) -> Case:
        """Returns the case being prepared, begun if there is none."""
        user, newest = _user(connection, user_id), store.newest_case(connection, user_id)
        if user.kyc_level == rules.LEVEL_MAX:
            raise DomainError("KYC_STATE", state="APPROVED", action="a higher level")
        level = target_level or user.kyc_level + 1
        if level != user.kyc_level + 1:
            raise DomainError("KYC_LEVEL_REQUIRED", level=level - 1, actual=user.kyc_level)
        now = self._clock.now()
        if newest and newest.target_level == level:
            if newest.status in rules.OPEN:
                return newest
            if newest.status in rules.WAITING:
                raise DomainError("KYC_STATE", state=newest.status, action="changing it")
        attempts = 1
        if newest and newest.status == "REJECTED" and newest.target_level == level:
            assert newest.decided_at is not None, "It was decided."
            until = newest.decided_at + rules.COOLDOWN
            most = configuration.current(connection, now).integer("kyc.max_attempts")
            if now < until or newest.attempts >= most:
                told = until.isoformat() if newest.attempts < most else "when the exchange says so"
                raise DomainError("KYC_COOLDOWN", until=told)
            attempts = newest.attempts + 1
        case = Case(
            id=self._ids.ulid(), user_id=user_id, target_level=level, status="DRAFT", form=None,
            attempts=attempts, risk_score=0, assigned_to="", first_approver="", decision_reason="",
            submitted_at=None, decided_at=None, expires_at=None, created_at=now, version=1,
        )  # fmt: skip
        store.insert_case(connection, case)
        return case

    def _judge(self, connection: Connection, case: Case, verdicts: Sequence[Verdict]) -> None:
        own = {one.id for one in case.documents}
        for verdict in verdicts:
            if verdict.document_id not in own:
                raise DomainError("NOT_FOUND", resource="document", id=verdict.document_id)
            status = "ACCEPTED" if verdict.is_accepted else "REJECTED"
            store.judge(connection, verdict.document_id, status, verdict.reject_code)

    def _decided(self, connection: Connection, actor: str, case: Case, ruling: Ruling) -> Case:
        now = self._clock.now()
        is_revoking = ruling.decision == "REVOKE"
        if case.status not in (("APPROVED",) if is_revoking else rules.WAITING):
            raise DomainError("KYC_STATE", state=case.status, action=ruling.decision)
        changed = replace(
            case,
            risk_score=case.risk_score if ruling.risk_score is None else ruling.risk_score,
            decision_reason=ruling.reason,
            decided_at=now,
            version=case.version + 1,
        )
        told = {"level": case.target_level, "reason": ruling.reason}
        if ruling.decision == "APPROVE":
            if case.target_level == _TWO_APPROVE:
                if not case.first_approver:
                    return replace(
                        changed, status="IN_REVIEW", first_approver=actor, decided_at=None
                    )
                if case.first_approver == actor:
                    raise DomainError("FOUR_EYES_REQUIRED")
            months = configuration.current(connection, now).integer("kyc.validity_months")
            changed = replace(changed, status="APPROVED", expires_at=rules.expiry(now, months))
            store.set_level(connection, case.user_id, case.target_level)
            kind = "kyc.approved"
        elif is_revoking:
            changed = replace(changed, status="REVOKED")
            store.set_level(connection, case.user_id, case.target_level - 1)
            kind = "kyc.revoked"
        else:
            is_rejected = ruling.decision == "REJECT"
            changed = replace(changed, status="REJECTED" if is_rejected else "NEEDS_INFO")
            kind = "kyc.rejected" if is_rejected else "kyc.needs_info"
        about = f"{case.id}/{changed.status}"
        announce(connection, Announcement(kind, now, user_id=case.user_id, about=about, data=told))
        return changed


def _user(connection: Connection, user_id: str) -> User:
    user = people.user_by_id(connection, user_id)
    if user is None:
        raise DomainError("NOT_FOUND", resource="user", id=user_id)
    return user


def _case(connection: Connection, case_id: str) -> Case:
    found = store.case(connection, case_id)
    if found is None:
        raise DomainError("NOT_FOUND", resource="case", id=case_id)
    return found


def _check_birth(text: str, today: date) -> None:
    if not text:
        return
    try:
        born = date.fromisoformat(text)
    except ValueError as error:
        raise invalid("form.date_of_birth", "must be a day such as 1980-12-31") from error
    if not rules.is_adult(born, today):
        raise invalid("form.date_of_birth", "must be at least 18 years ago")
