"""Identity's part in the process."""

from collections.abc import Awaitable, Callable
from typing import Final

from farmgate.app.parts.base import Base, Part
from farmgate.app.parts.users import open_users
from farmgate.auth.facade import Accounts, Lockouts, Passwords, Policy, Sessions, SignIn
from farmgate.auth.jobs import PURGE_INTERVAL_S, REVOCATIONS_INTERVAL_S, Purge, Revocations
from farmgate.auth.service import AuthService
from farmgate.jobs.periodic import Periodic
from farmgate.rpc.access import Grants
from farmgate.users.facade import Wallets

_GRANTS_SWEEP_INTERVAL_S: Final = 60.0


def part(base: Base, accounts: Accounts, wallets: Wallets | None = None) -> Part:
    """Returns registration, sign-in and sessions.

    Args:
        base: What it builds on.
        accounts: Opens trading accounts for who registers.
        wallets: Judges who signs in by a wallet; made here when None.
    """
    wallets = wallets or open_users(base).wallets
    settings, database, clock = base.settings, base.database, base.clock
    policy = Policy(
        refresh_ttl_s=settings.auth_refresh_ttl_s,
        sessions_max=settings.auth_sessions_max,
        lockout_attempts=settings.auth_lockout_attempts,
        lockout_s=settings.auth_lockout_s,
        verifies_email_at_once=settings.verifies_email_at_once,
        is_registration_open=settings.auth_registration_open,
    )
    passwords = Passwords()
    lockouts = Lockouts(database, clock, policy)
    sign_in = SignIn(
        database=database,
        users=base.users,
        passwords=passwords,
        lockouts=lockouts,
        tokens=base.tokens,
        accounts=accounts,
        ids=base.ids,
        clock=clock,
        policy=policy,
        revoke=base.grants.revoke,
        wallets=wallets,
    )
    sessions = Sessions(
        database=database,
        users=base.users,
        passwords=passwords,
        lockouts=lockouts,
        tokens=base.tokens,
        ids=base.ids,
        clock=clock,
        revoke=base.grants.revoke,
    )
    return Part(
        servicers=[AuthService(sign_in, sessions, base.pager, base.tokens.jwks)],
        components=[
            passwords,
            lockouts,
            Periodic("sessions", PURGE_INTERVAL_S, Purge(sessions, clock).run),
            *listening(base).components,
        ],
    )


def listening(base: Base) -> Part:
    """Returns what hears of sessions that ended elsewhere; every process that is called has it."""
    revocations = Revocations(base.database, base.users, base.grants, base.clock)
    return Part(
        components=[
            Periodic("revocations", REVOCATIONS_INTERVAL_S, revocations.hear),
            Periodic("grants", _GRANTS_SWEEP_INTERVAL_S, _sweeper(base.grants)),
        ]
    )


def _sweeper(grants: Grants) -> Callable[[], Awaitable[None]]:
    async def sweep() -> None:
        grants.sweep()

    return sweep
