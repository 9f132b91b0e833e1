import pytest

from farmgate.api.auth.v1 import auth_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.api.users.v1 import users_pb2
from farmgate.app import wire
from farmgate.db import audit
from farmgate.errors import DomainError
from farmgate.ports.ids import ulid_bytes
from support import PASSWORD, Api, FakeAccounts, bearer, refused, running


async def test_register_stores_the_user_and_opens_the_account(
    api_on_any: Api, accounts: FakeAccounts
) -> None:
    """AUT-001."""
    user = await api_on_any.register(
        email="Amara@Example.com", display_name=" Amara ", country="NG", timezone="Africa/Lagos"
    )
    assert user.email == "amara@example.com"
    assert user.display_name == "Amara"
    assert user.role == types_pb2.ROLE_FARMER
    assert user.status == users_pb2.USER_STATUS_ACTIVE
    assert (user.kyc_level, user.locale, user.version) == (1, "en", 1)
    assert accounts.numbers == {ulid_bytes(user.account_id): 1}


async def test_register_twice_is_refused(api_on_any: Api) -> None:
    """AUT-001."""
    await api_on_any.register(email="amara@example.com")
    refusal = await refused(api_on_any.register(email="AMARA@example.com"))
    assert refusal.reason == "EMAIL_TAKEN"


async def test_register_with_a_key_again_gives_the_first_answer(api_on_any: Api) -> None:
    """AUT-021."""
    request = auth_pb2.RegisterRequest(
        email="amara@example.com", password=PASSWORD, display_name="Amara", role=1
    )
    key = (("idempotency-key", "register-1"),)
    first = await api_on_any.auth.Register(request, metadata=key)
    assert await api_on_any.auth.Register(request, metadata=key) == first
    request.display_name = "Somebody else"
    refusal = await refused(api_on_any.auth.Register(request, metadata=key))
    assert refusal.reason == "IDEMPOTENCY_KEY_REUSED"


async def test_register_leaves_an_audit_row(api_on_any: Api) -> None:
    """AUT-022."""
    user = await api_on_any.register()
    database = api_on_any.application.base.database
    rows = await database.read(lambda tx: list(audit.rows(tx)))
    assert [(row.entry.actor, row.entry.resource) for row in rows] == [
        (user.user_id, f"user/{user.user_id}")
    ]
    assert rows[0].entry.action == "farmgate.api.auth.v1.AuthService/Register"
    assert rows[0].entry.ip.startswith("203.0.113.")
    assert audit.first_fault(iter(rows)) is None


@pytest.mark.parametrize(
    ("given", "reason", "field"),
    [
        ({"email": "nobody"}, "INVALID_ARGUMENT", "email"),
        ({"email": ""}, "INVALID_ARGUMENT", "email"),
        ({"email": "a\x00@example.com"}, "INVALID_ARGUMENT", "email"),
        ({"email": "é@example.com"}, "INVALID_ARGUMENT", "email"),
        ({"password": ""}, "PASSWORD_WEAK", "password"),
        ({"password": "fourteen chars"}, "PASSWORD_WEAK", "password"),
        ({"password": "passwordpassword"}, "PASSWORD_WEAK", "password"),
        ({"password": "x" * 257}, "INVALID_ARGUMENT", "password"),
        ({"display_name": ""}, "INVALID_ARGUMENT", "display_name"),
        ({"display_name": "   "}, "INVALID_ARGUMENT", "display_name"),
        ({"display_name": "a\x00b"}, "INVALID_ARGUMENT", "display_name"),
        ({"role": types_pb2.ROLE_ADMIN}, "INVALID_ARGUMENT", "role"),
        ({"role": 0}, "INVALID_ARGUMENT", "role"),
        ({"role": 99}, "INVALID_ARGUMENT", "role"),
        ({"country": "Nigeria"}, "INVALID_ARGUMENT", "country"),
        ({"locale": "en\x00"}, "INVALID_ARGUMENT", "locale"),
        ({"timezone": "Mars/Olympus"}, "INVALID_ARGUMENT", "timezone"),
    ],
)
async def test_register_with_a_bad_value_is_refused(
    api: Api, given: dict[str, object], reason: str, field: str
) -> None:
    refusal = await refused(api.register(**given))
    assert refusal.reason == reason
    assert refusal.metadata.get("field", field) == field


async def test_register_while_closed_is_refused(make_settings, accounts, clock) -> None:
    """AUT-003."""
    settings = make_settings(auth_registration_open=False)
    async with running(wire.build(settings, accounts=accounts, clock=clock)) as api:
        assert (await refused(api.register())).reason == "REGISTRATION_CLOSED"


async def test_register_eleven_times_from_one_address_is_refused(api: Api) -> None:
    request = auth_pb2.RegisterRequest(
        email="amara@example.com", password="short", display_name="A", role=1
    )
    for _ in range(10):
        assert (await refused(api.auth.Register(request))).reason == "PASSWORD_WEAK"
    refusal = await refused(api.auth.Register(request))
    assert refusal.reason == "RATE_LIMITED"
    assert int(refusal.metadata["retry_after_ms"]) > 0


async def test_account_is_opened_at_login_when_the_engine_was_away(
    api: Api, accounts: FakeAccounts
) -> None:
    accounts.refusal = DomainError("ENGINE_STOPPED")
    user = await api.register()
    assert not accounts.numbers
    token = (await api.log_in(user.email)).access_token
    assert (await api.me(token)).user.user_id == user.user_id
    accounts.refusal = None
    await api.log_in(user.email)
    assert accounts.numbers == {ulid_bytes(user.account_id): 1}
    request = users_pb2.GetMyProfileRequest()
    assert await api.users.GetMyProfile(request, metadata=bearer(token))
