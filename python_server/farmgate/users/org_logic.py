"""Use cases of organisations: founding, inviting, joining, leaving."""

from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy import Connection

from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce
from farmgate.errors import DomainError, invalid
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids
from farmgate.users import org_rules as rules
from farmgate.users import org_store as store
from farmgate.users import rules as people_rules
from farmgate.users import store as people
from farmgate.users.org_store import Invitation, Member, Organization
from farmgate.users.store import User

M = TypeVar("M", bound=Serializable)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and whether the role reaches every organisation."""

    user_id: str
    reaches_all: bool


class Organizations:
    """Keeps organisations and who belongs to them.

    Args:
        database: Where they are kept.
        clock: Tells the time.
        ids: Names them.
    """

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    async def create(
        self, founder_id: str, draft: Organization, effect: Effect[Organization, M]
    ) -> M:
        """Founds an organisation, which its founder manages and settles on the own account.

        Raises:
            DomainError: INVALID_ARGUMENT or ALREADY_EXISTS.
        """
        if draft.kind == rules.EXCHANGE_KIND:
            raise invalid("kind", "must not be the exchange itself")
        now = self._clock.now()
        new = replace(
            draft,
            id=self._ids.ulid(),
            name=rules.line("name", draft.name),
            registration_number=rules.line("registration_number", draft.registration_number),
            address=rules.line("address", draft.address),
            created_at=now,
            version=1,
        )

        def write(connection: Connection) -> None:
            founder = _free(connection, founder_id)
            assert founder.account_id is not None, "Only roles with an account may found."
            one = replace(new, settlement_account_id=founder.account_id)
            if not store.insert_organization(connection, one):
                number = f"{one.country} {one.registration_number}"
                raise DomainError("ALREADY_EXISTS", resource="organization", id=number)
            _admit(connection, Member(one.id, founder_id, rules.MANAGER, "", "ACTIVE", now, 1))
            effect.record(connection, one, resource=f"organization/{one.id}")

        await self._database.write(write)
        return effect.reply

    async def get(self, actor: Actor, organization_id: str) -> Organization:
        """Returns an organisation.

        Raises:
            DomainError: NOT_FOUND.
        """
        return await self._database.read(lambda tx: _reached(tx, actor, organization_id))

    async def update(
        self, actor: Actor, wanted: Organization, mask: list[str], expected: int,
        effect: Effect[Organization, M],
    ) -> M:  # fmt: skip
        """Changes the fields that the mask names.

        Raises:
            DomainError: NOT_FOUND, ORG_ROLE_REQUIRED, VERSION_CONFLICT or INVALID_ARGUMENT.
        """

        def write(connection: Connection) -> None:
            found = _managed(connection, actor, wanted.id)
            values = {name: getattr(wanted, name) for name in rules.fields_to_change(mask)}
            for name in values.keys() - {"tax_id"}:
                values[name] = rules.line(name, values[name])
            changed = replace(found, **values, version=found.version + 1)
            version = expected or found.version
            if not store.replace_organization(connection, changed, expected_version=version):
                raise DomainError("VERSION_CONFLICT", actual=found.version, expected=version)
            effect.record(connection, changed, resource=f"organization/{found.id}")

        await self._database.write(write)
        return effect.reply

    async def members(
        self, actor: Actor, organization_id: str, status: str, *, after: tuple[str, str], limit: int
    ) -> list[Member]:
        """Returns members by name; only managers see who is invited.

        Raises:
            DomainError: NOT_FOUND or ORG_ROLE_REQUIRED.
        """

        def read(connection: Connection) -> list[Member]:
            if status != "INVITED":
                _reached(connection, actor, organization_id)
                return store.member_page(
                    connection, organization_id, status, after=after, limit=limit
                )
            _managed(connection, actor, organization_id)
            now = self._clock.now()
            invited = store.invitations_of(
                connection, organization_id, now, before=after[1], limit=limit
            )
            return [
                Member(organization_id, one.id, one.role, one.share_pct, "INVITED", None, 1,
                       one.email)
                for one in invited
            ]  # fmt: skip

        return await self._database.read(read)

    async def invite(self, actor: Actor, draft: Invitation, effect: Effect[Invitation, M]) -> M:
        """Invites whoever has an e-mail address, now or later; it tells not whether anybody has.

        Raises:
            DomainError: NOT_FOUND, ORG_ROLE_REQUIRED, or INVALID_ARGUMENT.
        """
        email = people_rules.email_key(draft.email.strip())
        if email is None or "@" not in email:
            raise invalid("email", "must be an e-mail address")
        now = self._clock.now()

        def write(connection: Connection) -> None:
            found = _managed(connection, actor, draft.organization_id)
            most = rules.INVITATIONS_OPEN_MAX
            limit = most + 1
            open_now = store.invitations_of(connection, found.id, now, before="", limit=limit)
            if len(open_now) >= most:
                raise invalid("email", f"must wait: {most} invitations are open")
            shares = store.shares(connection, found.id)
            one = replace(
                draft,
                id=self._ids.ulid(),
                email=email,
                share_pct=rules.share(draft.share_pct, shares.values()),
                created_at=now,
                expires_at=now + rules.INVITATION,
                organization_name=found.name,
            )
            store.add_invitation(connection, one)
            invited = people.user_by_email(connection, email)
            if invited is not None:
                told = {"organization": found.name, "role": one.role.lower()}
                announce(
                    connection,
                    Announcement("org.invited", now, user_id=invited.id, about=one.id, data=told),
                )
            effect.record(connection, one, resource=f"organization/{found.id}")

        await self._database.write(write)
        return effect.reply

    async def invitations(self, user_id: str, *, before: str, limit: int) -> list[Invitation]:
        """Returns the open invitations of a user, newest first."""

        def read(connection: Connection) -> list[Invitation]:
            user = _user(connection, user_id)
            return store.invitations_to(
                connection, user.email, self._clock.now(), before=before, limit=limit
            )

        return await self._database.read(read)

    async def answer(
        self, user_id: str, invitation_id: str, *, is_accepted: bool,
        effect: Effect[Member | None, M],
    ) -> M:  # fmt: skip
        """Accepts or declines an invitation to the user's address.

        Raises:
            DomainError: NOT_FOUND, INVALID_ARGUMENT, or ALREADY_EXISTS for who belongs to an
                organisation.
        """
        now = self._clock.now()

        def write(connection: Connection) -> None:
            user, one = _user(connection, user_id), store.invitation(connection, invitation_id)
            is_open = one is not None and one.state == "OPEN" and one.expires_at > now
            if one is None or not is_open or one.email != user.email:
                raise DomainError("NOT_FOUND", resource="invitation", id=invitation_id)
            state = "ACCEPTED" if is_accepted else "DECLINED"
            if not store.close_invitation(connection, invitation_id, state):
                raise DomainError("NOT_FOUND", resource="invitation", id=invitation_id)
            joined = self._join(connection, one, user_id) if is_accepted else None
            effect.record(connection, joined, resource=f"organization/{one.organization_id}")

        await self._database.write(write)
        return effect.reply

    async def change_member(
        self, actor: Actor, wanted: Member, expected: int, effect: Effect[Member, M]
    ) -> M:
        """Changes role or share of a member.

        Raises:
            DomainError: NOT_FOUND, ORG_ROLE_REQUIRED, ORG_LAST_MANAGER, VERSION_CONFLICT or
                INVALID_ARGUMENT.
        """

        def write(connection: Connection) -> None:
            organization = _managed(connection, actor, wanted.organization_id)
            found = _active(connection, organization.id, wanted.user_id)
            if expected not in {0, found.version}:
                raise DomainError("VERSION_CONFLICT", actual=found.version, expected=expected)
            role = wanted.role or found.role
            if found.role == rules.MANAGER != role:
                _check_other_manager(connection, organization.id)
            shares = store.shares(connection, organization.id)
            shares.pop(found.user_id, "")
            share = rules.share(wanted.share_pct, shares.values()) or found.share_pct
            changed = replace(found, role=role, share_pct=share, version=found.version + 1)
            store.put_member(connection, changed)
            effect.record(connection, changed, resource=f"organization/{organization.id}")

        await self._database.write(write)
        return effect.reply

    async def remove_member(
        self, actor: Actor, organization_id: str, user_id: str, effect: Effect[None, M]
    ) -> M:
        """Ends a membership: whoever leaves does so alone, others are removed by a manager.

        Raises:
            DomainError: NOT_FOUND, ORG_ROLE_REQUIRED or ORG_LAST_MANAGER.
        """
        is_leaving = user_id == actor.user_id
        now = self._clock.now()

        def write(connection: Connection) -> None:
            reach = _reached if is_leaving else _managed
            organization = reach(connection, actor, organization_id)
            found = _active(connection, organization_id, user_id)
            if found.role == rules.MANAGER:
                _check_other_manager(connection, organization_id)
            status = "LEFT" if is_leaving else "REMOVED"
            store.put_member(connection, replace(found, status=status, version=found.version + 1))
            told = {"organization": organization.name, "name": found.display_name}
            about = f"{organization_id}/{user_id}/{found.version}"
            reached = store.managers(connection, organization_id)
            for one in {user_id, *reached}:
                announce(
                    connection,
                    Announcement("org.member_removed", now, user_id=one, about=about, data=told),
                )
            effect.record(connection, None, resource=f"organization/{organization_id}")

        await self._database.write(write)
        return effect.reply

    def _join(self, connection: Connection, one: Invitation, user_id: str) -> Member:
        user, now = _free(connection, user_id), self._clock.now()
        before = store.member(connection, one.organization_id, user_id)
        shares = store.shares(connection, one.organization_id)
        joined = Member(
            one.organization_id, user_id, one.role, rules.share(one.share_pct, shares.values()),
            "ACTIVE", now, before.version + 1 if before else 1, user.display_name,
        )  # fmt: skip
        _admit(connection, joined)
        told = {"organization": one.organization_name, "name": user.display_name}
        for manager in store.managers(connection, one.organization_id):
            announce(
                connection,
                Announcement("org.member_joined", now, user_id=manager, about=one.id, data=told),
            )
        return joined


def _user(connection: Connection, user_id: str) -> User:
    user = people.user_by_id(connection, user_id)
    if user is None:
        raise DomainError("NOT_FOUND", resource="user", id=user_id)
    return user


def _free(connection: Connection, user_id: str) -> User:
    """Returns a user who belongs to no organisation."""
    user = _user(connection, user_id)
    if user.organization_id:
        raise DomainError("ALREADY_EXISTS", resource="membership in", id=user.organization_id)
    return user


def _admit(connection: Connection, new: Member) -> None:
    # Two invitations may be accepted at the same moment: the user's row lets one of them in.
    if not store.put_member(connection, new):
        raise DomainError("ALREADY_EXISTS", resource="membership of", id=new.user_id)


def _reached(connection: Connection, actor: Actor, organization_id: str) -> Organization:
    """Returns an organisation that the actor belongs to or sees by role."""
    found = store.organization(connection, organization_id)
    own = store.member(connection, organization_id, actor.user_id)
    belongs = own is not None and own.status == "ACTIVE"
    if found is None or not (belongs or actor.reaches_all):
        raise DomainError("NOT_FOUND", resource="organization", id=organization_id)
    return found


def _managed(connection: Connection, actor: Actor, organization_id: str) -> Organization:
    """Returns an organisation that the actor manages or reaches by role."""
    found = _reached(connection, actor, organization_id)
    own = store.member(connection, organization_id, actor.user_id)
    is_manager = own is not None and own.status == "ACTIVE" and own.role == rules.MANAGER
    if not (is_manager or actor.reaches_all):
        raise DomainError("ORG_ROLE_REQUIRED", role=rules.MANAGER)
    return found


def _active(connection: Connection, organization_id: str, user_id: str) -> Member:
    found = store.member(connection, organization_id, user_id)
    if found is None or found.status != "ACTIVE":
        raise DomainError("NOT_FOUND", resource="member", id=user_id)
    return found


def _check_other_manager(connection: Connection, organization_id: str) -> None:
    if store.active_count(connection, organization_id, role=rules.MANAGER) == 1:
        raise DomainError("ORG_LAST_MANAGER")
