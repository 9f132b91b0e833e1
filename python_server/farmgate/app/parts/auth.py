"""Identity's part in the process."""

from collections.abc import Awaitable, Callable
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from farmgate.app import revoking
from farmgate.app.parts.base import Base, Part
from farmgate.app.parts.users import open_users
from farmgate.app.revoking import Revoking
from farmgate.auth.facade import (
    Accounts,
    ApiKeys,
    Factors,
    Letters,
    Lockouts,
    Opening,
    Passwords,
    Policy,
    Reauthentication,
    Recovery,
    SecondFactors,
    Sessions,
    SignIn,
)
from farmgate.auth.jobs import (
    LETTERS_INTERVAL_S,
    PURGE_INTERVAL_S,
    REVOCATIONS_INTERVAL_S,
    Purge,
    Revocations,
)
from farmgate.auth.service import AuthService
from farmgate.jobs.periodic import Periodic
from farmgate.ports.mail import MailFolder, SmtpServer
from farmgate.rpc.access import Grants
from farmgate.users.facade import Wallets

_GRANTS_SWEEP_INTERVAL_S: Final = 60.0
_KEY_BYTES: Final = 32


def part(base: Base, accounts: Accounts, wallets: Wallets | None = None) -> Part:
    """Returns registration, sign-in, sessions, second factors and keys.

    Args:
        base: What it builds on.
        accounts: Opens trading accounts for who registers.
        wallets: Judges who signs in by a wallet; made here when None.
    """
    database, users, clock = base.database, base.users, base.clock
    ids, tokens, revoke = base.ids, base.tokens, Revoking(base)
    policy = _policy(base)
    passwords = Passwords()
    lockouts = Lockouts(database, clock, policy, key=_key(base, b"addresses"))
    factors = Factors(_key(base, b"second factors"))
    post = _letters(base)
    reauthentication = Reauthentication(database, users, passwords, lockouts, clock)
    sign_in = SignIn(
        database=database, users=users, passwords=passwords, lockouts=lockouts,
        opening=Opening(users, tokens, ids, policy), factors=factors, post=post,
        accounts=accounts, ids=ids, clock=clock, policy=policy, revoke=revoke,
        wallets=wallets or open_users(base).wallets,
    )  # fmt: skip
    sessions = Sessions(
        database=database, users=users, passwords=passwords, reauthentication=reauthentication,
        tokens=tokens, ids=ids, clock=clock, revoke=revoke,
    )  # fmt: skip
    recovery = Recovery(
        database=database, users=users, passwords=passwords, post=post, clock=clock, revoke=revoke
    )
    second_factors = SecondFactors(
        database=database, users=users, factors=factors, lockouts=lockouts,
        reauthentication=reauthentication, clock=clock, revoke=revoke,
        required_roles=base.settings.mfa_roles,
    )  # fmt: skip
    keys = ApiKeys(database, ids, clock, revoke)
    return Part(
        servicers=[
            AuthService(sign_in, sessions, recovery, second_factors, keys, base.pager, tokens.jwks)
        ],
        components=[
            passwords,
            lockouts,
            Periodic("sessions", PURGE_INTERVAL_S, Purge(sessions, clock).run),
            Periodic("letters", LETTERS_INTERVAL_S, post.send),
            *listening(base).components,
        ],
    )


def _policy(base: Base) -> Policy:
    settings = base.settings
    return Policy(
        refresh_ttl_s=settings.auth_refresh_ttl_s,
        sessions_max=settings.auth_sessions_max,
        lockout_attempts=settings.auth_lockout_attempts,
        lockout_s=settings.auth_lockout_s,
        verifies_email_at_once=settings.verifies_email_at_once,
        is_registration_open=settings.auth_registration_open,
    )


def _letters(base: Base) -> Letters:
    settings = base.settings
    address = settings.smtp_url.get_secret_value()
    return Letters(
        base.database,
        base.users,
        SmtpServer(address) if address else MailFolder(settings.data_dir / "mail"),
        base.clock,
        base.ids,
        key=_key(base, b"letters"),
        sender=settings.mail_from,
        pages=settings.web_origins[0] if settings.web_origins else "",
    )


def _key(base: Base, purpose: bytes) -> bytes:
    info = b"farmgate " + purpose
    return HKDF(hashes.SHA256(), _KEY_BYTES, salt=None, info=info).derive(base.secrets.key)


def listening(base: Base) -> Part:
    """Returns what hears of sessions that ended elsewhere; every process that is called has it."""
    revoking.listen(base)
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
