"""Second factors: codes, recovery codes, and roles that need them."""

from collections.abc import AsyncIterator

import pyotp
import pytest
from sqlalchemy import text

from farmgate.api.auth.v1 import auth_pb2
from farmgate.api.notifications.v1 import notifications_pb2
from farmgate.app import wire
from farmgate.ports.clock import FakeClock
from support import PASSWORD, Api, SignedIn, bearer, refused, running, written


def enroll(api: Api, person: SignedIn, password: str = PASSWORD):
    request = auth_pb2.EnrollMfaRequest(password=password)
    return api.auth.EnrollMfa(request, metadata=person.metadata)


def confirm(api: Api, person: SignedIn, code: str):
    return api.auth.ConfirmMfa(auth_pb2.ConfirmMfaRequest(code=code), metadata=person.metadata)


def disable(api: Api, person: SignedIn, code: str, password: str = PASSWORD):
    request = auth_pb2.DisableMfaRequest(code=code, password=password)
    return api.auth.DisableMfa(request, metadata=person.metadata)


class Device:
    """An authenticator."""

    def __init__(self, secret: str, clock: FakeClock) -> None:
        self._totp = pyotp.TOTP(secret)
        self._clock = clock

    def code(self, steps: int = 0) -> str:
        return self._totp.at(int(self._clock.epoch()) + 30 * steps)

    def next(self) -> str:
        """Returns a code that was not used before."""
        self._clock.move(30)
        return self.code()


async def with_factor(api: Api, clock: FakeClock) -> tuple[SignedIn, Device, list[str]]:
    person = await api.person()
    enrolled = await enroll(api, person)
    device = Device(enrolled.secret, clock)
    reply = await confirm(api, person, device.code())
    return person, device, list(reply.recovery_codes)


async def test_sign_in_needs_a_code_once_it_is_on(api_on_any: Api, clock: FakeClock) -> None:
    """AUT-027."""
    person = await api_on_any.person()
    address = person.user.email
    enrolled = await enroll(api_on_any, person)
    assert enrolled.otpauth_uri.startswith("otpauth://totp/Farmgate%3Aperson1%40example.com?")
    assert (await api_on_any.log_in(address)).access_token, "Nothing is asked before it is on."
    device = Device(enrolled.secret, clock)
    reply = await confirm(api_on_any, person, device.code())
    assert len(set(reply.recovery_codes)) == 10
    assert (await api_on_any.me(person.tokens.access_token)).user.mfa_enabled
    assert (await refused(api_on_any.log_in(address))).reason == "MFA_REQUIRED"
    assert (await refused(api_on_any.log_in(address, mfa_code="000000"))).reason == "MFA_INVALID"
    code = device.next()
    assert (await api_on_any.log_in(address, mfa_code=f"{code[:3]} {code[3:]}")).access_token
    wrong = await refused(api_on_any.log_in(address, "wrong", mfa_code=device.next()))
    assert wrong.reason == "BAD_CREDENTIALS"


async def test_code_is_good_once(api: Api, clock: FakeClock) -> None:
    """AUT-028."""
    person, device, _ = await with_factor(api, clock)
    address = person.user.email
    assert (await refused(api.log_in(address, mfa_code=device.code()))).reason == "MFA_INVALID"
    code = device.next()
    await api.log_in(address, mfa_code=code)
    assert (await refused(api.log_in(address, mfa_code=code))).reason == "MFA_INVALID"


@pytest.mark.parametrize(
    ("steps", "fits"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
async def test_clock_may_be_a_step_off(
    api: Api, clock: FakeClock, steps: int, *, fits: bool
) -> None:
    """AUT-028."""
    person, device, _ = await with_factor(api, clock)
    clock.move(300)
    attempt = api.log_in(person.user.email, mfa_code=device.code(steps))
    if fits:
        assert (await attempt).access_token
    else:
        assert (await refused(attempt)).reason == "MFA_INVALID"


async def test_recovery_code_is_good_once(api_on_any: Api, clock: FakeClock) -> None:
    """AUT-028."""
    person, _, codes = await with_factor(api_on_any, clock)
    address = person.user.email
    assert (await api_on_any.log_in(address, mfa_code=codes[0].lower())).access_token
    assert (await refused(api_on_any.log_in(address, mfa_code=codes[0]))).reason == "MFA_INVALID"
    assert (await api_on_any.log_in(address, mfa_code=codes[1].replace("-", ""))).access_token


async def test_guesses_at_codes_lock_the_account(api: Api, clock: FakeClock) -> None:
    """AUT-028."""
    person, device, _ = await with_factor(api, clock)
    for _ in range(5):
        await refused(api.log_in(person.user.email, mfa_code="123456"))
    refusal = await refused(api.log_in(person.user.email, mfa_code=device.next()))
    assert refusal.reason == "ACCOUNT_LOCKED"


async def test_switching_on_ends_the_other_sessions(api: Api, clock: FakeClock) -> None:
    """AUT-027."""
    person = await api.person()
    other = await api.log_in(person.user.email)
    enrolled = await enroll(api, person)
    bad = await refused(confirm(api, person, "000000"))
    assert bad.reason == "MFA_INVALID"
    assert (await api.me(other.access_token)).session_id
    await confirm(api, person, Device(enrolled.secret, clock).code())
    assert (await refused(api.me(other.access_token))).reason == "TOKEN_INVALID"
    assert (await api.me(person.tokens.access_token)).session_id


async def test_setting_up_needs_the_password_and_happens_once(api: Api, clock: FakeClock) -> None:
    """AUT-027."""
    person = await api.person()
    assert (await refused(enroll(api, person, "wrong"))).reason == "BAD_CREDENTIALS"
    assert (await refused(confirm(api, person, "123456"))).reason == "RESOURCE_STATE"
    first = await enroll(api, person)
    second = await enroll(api, person)
    assert first.secret != second.secret
    old = await refused(confirm(api, person, Device(first.secret, clock).code()))
    assert old.reason == "MFA_INVALID"
    await confirm(api, person, Device(second.secret, clock).code())
    assert (await refused(enroll(api, person))).reason == "RESOURCE_STATE"
    again = await refused(confirm(api, person, Device(second.secret, clock).next()))
    assert again.reason == "RESOURCE_STATE"


async def test_switching_off_needs_both(api: Api, clock: FakeClock) -> None:
    """AUT-027."""
    person, device, codes = await with_factor(api, clock)
    assert (await refused(disable(api, person, device.next(), "wrong"))).reason == "BAD_CREDENTIALS"
    assert (await refused(disable(api, person, "000000"))).reason == "MFA_INVALID"
    await disable(api, person, codes[3])
    assert (await api.log_in(person.user.email)).access_token
    assert (await refused(disable(api, person, "000000"))).reason == "RESOURCE_STATE"
    for method in ("EnrollMfa", "ConfirmMfa", "DisableMfa"):
        request = getattr(auth_pb2, f"{method}Request")()
        assert (await refused(getattr(api.auth, method)(request))).reason == "UNAUTHENTICATED"


async def test_secret_is_kept_encrypted(api: Api, clock: FakeClock) -> None:
    """AUT-023."""
    person = await api.person()
    enrolled = await enroll(api, person)
    codes = (await confirm(api, person, Device(enrolled.secret, clock).code())).recovery_codes
    everywhere = written(
        api, "mfa_factors", "recovery_codes", "audit_log", "outbox", "kept_replies"
    )
    assert person.user.user_id in everywhere
    for secret in (enrolled.secret, *codes):
        assert secret not in everywhere


@pytest.fixture
async def guarded(make_settings, accounts, clock) -> AsyncIterator[Api]:
    """A server where admins need a second factor."""
    settings = make_settings(auth_admin_mfa=True)
    async with running(wire.build(settings, accounts=accounts, clock=clock)) as api:
        yield api


async def test_admin_without_a_factor_does_nothing_else(guarded: Api, clock: FakeClock) -> None:
    """AUT-029."""
    user = await guarded.register()
    with guarded.application.base.database.engine.begin() as connection:
        connection.execute(text("UPDATE users SET role = 'ADMIN'"))
    admin = SignedIn(user, await guarded.log_in(user.email))
    inbox = "/farmgate.api.notifications.v1.NotificationService/ListNotifications"
    request = notifications_pb2.ListNotificationsRequest().SerializeToString()
    kept_out = await refused(guarded.raw(inbox, request, metadata=admin.metadata))
    assert (kept_out.reason, kept_out.metadata) == ("MFA_ENROLLMENT_REQUIRED", {"role": "ADMIN"})
    assert (await guarded.me(admin.tokens.access_token)).user.user_id == user.user_id
    enrolled = await enroll(guarded, admin)
    device = Device(enrolled.secret, clock)
    await confirm(guarded, admin, device.code())
    await guarded.raw(inbox, request, metadata=admin.metadata)
    stays = await refused(disable(guarded, admin, device.next()))
    assert stays.reason == "MFA_ENROLLMENT_REQUIRED"
    farmer = await guarded.person()
    await guarded.raw(inbox, request, metadata=bearer(farmer.tokens.access_token))
