"""Letters: verifying an address, choosing a new password."""

import email
import email.policy
import re
from collections.abc import AsyncIterator
from email.message import EmailMessage

import pytest
from sqlalchemy import text

from farmgate.api.auth.v1 import auth_pb2
from farmgate.app import wire
from farmgate.auth.letters import Letters
from farmgate.auth.service import AuthService
from farmgate.db import audit
from farmgate.errors import DomainError
from farmgate.ports.clock import FakeClock
from support import PASSWORD, Api, refused, running, written

NEW = "eleven purple barns"


@pytest.fixture
async def strict(make_settings, accounts, clock, any_database_url) -> AsyncIterator[Api]:
    """A server that verifies addresses, on each kind of database."""
    settings = make_settings(auth_auto_verify_email=False, database_url=any_database_url)
    async with running(wire.build(settings, accounts=accounts, clock=clock)) as api:
        yield api


def post_of(api: Api) -> Letters:
    servicer = next(one for one in api.application.servicers if isinstance(one, AuthService))
    return servicer._recovery._post


async def letters(api: Api) -> list[EmailMessage]:
    """Returns what was sent, the oldest first."""
    await post_of(api).send()
    files = sorted((api.application.settings.data_dir / "mail").glob("*.eml"))
    return [
        email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files
    ]


async def token(api: Api) -> str:
    """Returns the token of the last letter."""
    body = (await letters(api))[-1].get_content()
    found = re.search(r"#token=(\S+)", body)
    assert found, body
    return found[1]


def verify(api: Api, text: str):
    return api.auth.VerifyEmail(auth_pb2.VerifyEmailRequest(token=text))


def forgot(api: Api, address: str):
    return api.auth.RequestPasswordReset(auth_pb2.RequestPasswordResetRequest(email=address))


def reset(api: Api, text: str, password: str = NEW):
    return api.auth.ResetPassword(auth_pb2.ResetPasswordRequest(token=text, new_password=password))


async def test_letter_opens_the_account(strict: Api) -> None:
    """AUT-024."""
    user = await strict.register()
    assert (await refused(strict.log_in(user.email))).reason == "EMAIL_NOT_VERIFIED"
    sent = (await letters(strict))[-1]
    assert sent["to"] == user.email
    assert sent["subject"] == "Verify your e-mail address"
    good = await token(strict)
    await verify(strict, good)
    assert (await strict.log_in(user.email)).user.kyc_level == 1
    assert (await refused(verify(strict, good))).reason == "MAIL_TOKEN_INVALID"
    rows = await strict.application.base.database.read(lambda tx: list(audit.rows(tx)))
    row = next(one.entry for one in rows if one.entry.action.endswith("VerifyEmail"))
    assert (row.resource, row.actor) == (f"user/{user.user_id}", user.user_id)


async def test_letter_comes_again(strict: Api, clock: FakeClock) -> None:
    """AUT-024."""
    user = await strict.register()
    first = await token(strict)
    clock.move(1)
    await strict.auth.ResendVerification(auth_pb2.ResendVerificationRequest(email=user.email))
    second = await token(strict)
    assert first != second
    await verify(strict, second)
    # One letter does; the others are used up with it.
    assert (await refused(verify(strict, first))).reason == "MAIL_TOKEN_INVALID"


async def test_forgotten_password_is_replaced(api_on_any: Api, clock: FakeClock) -> None:
    """AUT-025."""
    person = await api_on_any.person()
    address = person.user.email
    for _ in range(5):
        await refused(api_on_any.log_in(address, "wrong"))
    assert (await refused(api_on_any.log_in(address))).reason == "ACCOUNT_LOCKED"
    await forgot(api_on_any, address.upper())
    good = await token(api_on_any)
    weak = await refused(reset(api_on_any, good, "short"))
    assert weak.reason == "PASSWORD_WEAK"
    mine = await refused(reset(api_on_any, good, address + address))
    assert mine.reason == "PASSWORD_WEAK"
    await reset(api_on_any, good)
    assert (await refused(api_on_any.me(person.tokens.access_token))).reason == "TOKEN_INVALID"
    again = await refused(api_on_any.refresh(person.tokens.refresh_token))
    assert again.reason == "TOKEN_INVALID"
    assert (await refused(api_on_any.log_in(address))).reason == "BAD_CREDENTIALS"
    assert (await api_on_any.log_in(address, NEW)).access_token
    assert (await refused(reset(api_on_any, good, PASSWORD))).reason == "MAIL_TOKEN_INVALID"


async def test_letter_expires(api: Api, clock: FakeClock) -> None:
    """AUT-025."""
    person = await api.person()
    await forgot(api, person.user.email)
    good = await token(api)
    clock.move(1_800)
    assert (await refused(reset(api, good))).reason == "MAIL_TOKEN_INVALID"
    assert (await api.log_in(person.user.email)).access_token


async def test_tokens_are_good_for_their_purpose_only(strict: Api) -> None:
    user = await strict.register()
    of_verification = await token(strict)
    assert (await refused(reset(strict, of_verification))).reason == "MAIL_TOKEN_INVALID"
    changed = of_verification[:-1] + ("A" if of_verification[-1] != "A" else "B")
    for bad in (changed, "fgm_", "x", "fgm_\x00", "é" * 80, of_verification + "A"):
        assert (await refused(verify(strict, bad))).reason == "MAIL_TOKEN_INVALID", bad
        assert (await refused(reset(strict, bad))).reason == "MAIL_TOKEN_INVALID", bad
    assert (await refused(verify(strict, ""))).reason in {"INVALID_ARGUMENT", "FIELD_REQUIRED"}
    assert (await refused(strict.log_in(user.email))).reason == "EMAIL_NOT_VERIFIED"


async def test_nothing_shows_whether_an_address_is_known(api: Api) -> None:
    """AUT-026."""
    person = await api.person()
    database = api.application.base.database

    def rows() -> int:
        with database.engine.connect() as connection:
            return connection.execute(text("SELECT count(*) FROM letters")).scalar_one()

    for address in (person.user.email, "nobody@example.com"):
        before = rows()
        assert await forgot(api, address) == auth_pb2.RequestPasswordResetResponse()
        assert rows() == before + 1
    sent = await letters(api)
    assert [one["to"] for one in sent] == [person.user.email]
    bad = await refused(forgot(api, "no address"))
    assert (bad.reason, bad.metadata["field"]) == ("INVALID_ARGUMENT", "email")


async def test_mailboxes_are_not_flooded(api: Api, clock: FakeClock) -> None:
    """AUT-026."""
    person = await api.person()
    for _ in range(9):
        await forgot(api, person.user.email)
    assert len(await letters(api)) == 5
    clock.move(3_601)
    await forgot(api, person.user.email)
    assert len(await letters(api)) == 6


async def test_database_holds_no_token(api: Api) -> None:
    """AUT-026."""
    person = await api.person()
    await forgot(api, person.user.email)
    good = await token(api)
    everywhere = written(api, "letters", "outbox", "notifications", "audit_log", "kept_replies")
    assert person.user.email in everywhere
    assert good[-30:] not in everywhere


async def test_letters_wait_for_the_mail_server(api: Api, clock: FakeClock, monkeypatch) -> None:
    person = await api.person()
    await forgot(api, person.user.email)
    post = post_of(api)
    send = post._mailer.send
    tried = []

    async def fail(message: EmailMessage) -> None:
        tried.append(message)
        raise DomainError("DEPENDENCY_DOWN", name="mail server")

    monkeypatch.setattr(post._mailer, "send", fail)
    await post.send()
    assert tried
    monkeypatch.setattr(post._mailer, "send", send)
    assert not await letters(api)
    clock.move(30)
    assert len(await letters(api)) == 1
