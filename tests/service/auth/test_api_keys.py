"""Keys for programs: what they may do, from where, and how they end."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import text

from farmgate.api.auth.v1 import auth_pb2
from farmgate.api.trading.v1 import trading_pb2
from farmgate.api.users.v1 import users_pb2
from farmgate.auth.jobs import Revocations
from farmgate.ports.clock import FakeClock
from farmgate.rpc.methods import all_methods
from support import Api, SignedIn, bearer, refused, written


def create(api: Api, person: SignedIn, *scopes: str, **given):
    request = auth_pb2.CreateApiKeyRequest(name="harvest robot", scopes=scopes, **given)
    return api.auth.CreateApiKey(request, metadata=person.metadata)


def revoke(api: Api, person: SignedIn, key_id: str):
    request = auth_pb2.RevokeApiKeyRequest(key_id=key_id)
    return api.auth.RevokeApiKey(request, metadata=person.metadata)


async def keys(api: Api, person: SignedIn, **given):
    request = auth_pb2.ListApiKeysRequest(**given)
    return await api.auth.ListApiKeys(request, metadata=person.metadata)


async def test_key_calls_for_its_owner(api_on_any: Api, clock: FakeClock) -> None:
    """AUT-030."""
    person = await api_on_any.person()
    made = await create(api_on_any, person, "read", "trade")
    assert made.secret.startswith("fgk_")
    assert len(made.secret) >= 40
    assert made.secret.startswith(made.key.prefix)
    assert (await api_on_any.me(made.secret)).user.user_id == person.user.user_id
    (listed,) = (await keys(api_on_any, person)).keys
    assert (listed.key_id, listed.name) == (made.key.key_id, "harvest robot")
    assert list(listed.scopes) == ["read", "trade"]
    assert listed.last_use_time.ToSeconds() == int(clock.epoch())
    for method in ("CreateApiKey", "ListApiKeys", "RevokeApiKey"):
        call = getattr(api_on_any.auth, method)(getattr(auth_pb2, f"{method}Request")())
        assert (await refused(call)).reason == "UNAUTHENTICATED"


async def test_key_does_what_its_scopes_say(api: Api) -> None:
    """AUT-031."""
    person = await api.person()
    reads = bearer((await create(api, person, "read")).secret)
    trades = bearer((await create(api, person, "trade")).secret)
    await api.wallet.GetBalances(users_pb2.GetBalancesRequest(), metadata=reads)
    order = trading_pb2.CreateOrderRequest()
    missing = await refused(api.trading.CreateOrder(order, metadata=reads))
    assert (missing.reason, missing.metadata) == ("SCOPE_MISSING", {"scope": "trade"})
    reached = await refused(api.trading.CreateOrder(order, metadata=trades))
    assert reached.reason not in {"SCOPE_MISSING", "PERMISSION_DENIED", "UNAUTHENTICATED"}
    none = await refused(api.wallet.GetBalances(users_pb2.GetBalancesRequest(), metadata=trades))
    assert none.metadata == {"scope": "read"}


async def test_no_key_touches_the_account_itself(api: Api) -> None:
    """AUT-031."""
    person = await api.person()
    made = await create(api, person, "read", "trade", "contracts", "webhooks")
    scopes = {"read", "trade", "contracts", "webhooks"}
    kept_out = 0
    for method in all_methods().values():
        rule = method.rule
        assert rule.is_public or rule.scope in {*scopes, "account", "admin"}, method.path
        if rule.is_public or rule.scope in scopes or method.client_streaming:
            continue
        if method.server_streaming or (rule.roles and 1 not in rule.roles):
            continue
        kept_out += 1
        refusal = await refused(api.raw(method.path, metadata=bearer(made.secret)))
        assert refusal.reason == "SCOPE_MISSING", method.path
    assert kept_out > 20
    for name in ("ChangePassword", "CreateApiKey", "EnrollMfa", "Logout", "CreateStreamTicket"):
        path = f"/farmgate.api.auth.v1.AuthService/{name}"
        assert all_methods()[path].rule.scope == "account", name


async def test_key_is_used_from_its_networks_only(api: Api) -> None:
    """AUT-031."""
    person = await api.person()
    given = {"allowed_networks": ["192.0.2.0/24", "2001:db8::/32"]}
    made = await create(api, person, "read", **given)
    me = auth_pb2.GetMeRequest()

    def call_from(address: str):
        metadata = (*bearer(made.secret), ("x-forwarded-for", address))
        return api.auth.GetMe(me, metadata=metadata)

    assert (await call_from("192.0.2.77")).user.user_id == person.user.user_id
    assert (await call_from("2001:db8::7")).user.user_id == person.user.user_id
    for address in ("198.51.100.1", "2001:db9::1", "nonsense"):
        refusal = await refused(call_from(address))
        assert refusal.reason == "KEY_NETWORK", address
    assert (await call_from("192.0.2.78")).user.user_id == person.user.user_id


async def test_key_that_is_over_is_refused(api_on_any: Api, clock: FakeClock) -> None:
    """AUT-032."""
    person = await api_on_any.person()
    until = Timestamp(seconds=int(clock.epoch()) + 600)
    short = await create(api_on_any, person, "read", expire_time=until)
    revoked = await create(api_on_any, person, "read")
    for made in (short, revoked):
        assert (await api_on_any.me(made.secret)).user.user_id
    await revoke(api_on_any, person, revoked.key.key_id)
    assert (await refused(api_on_any.me(revoked.secret))).reason == "TOKEN_INVALID"
    missing = await refused(revoke(api_on_any, person, revoked.key.key_id))
    assert missing.reason == "NOT_FOUND"
    assert [one.key_id for one in (await keys(api_on_any, person)).keys] == [short.key.key_id]
    clock.move(600)
    assert (await refused(api_on_any.me(short.secret))).reason == "TOKEN_EXPIRED"
    assert (await refused(api_on_any.me("fgk_" + "x" * 43))).reason == "TOKEN_INVALID"
    assert (await refused(api_on_any.me("fgk_"))).reason == "TOKEN_INVALID"


async def test_another_process_hears_of_a_revoked_key(api: Api, clock: FakeClock) -> None:
    """AUT-032."""
    person = await api.person()
    made = await create(api, person, "read")
    await api.me(made.secret)
    base = api.application.base
    with base.database.engine.begin() as connection:
        connection.execute(text("UPDATE api_keys SET revoked_at = '2026-06-01 12:00:00'"))
    await api.me(made.secret)
    await Revocations(base.database, base.users, base.grants, clock).hear()
    assert (await refused(api.me(made.secret))).reason == "TOKEN_INVALID"


async def test_ending_all_sessions_leaves_the_keys(api: Api) -> None:
    """AUT-032."""
    person = await api.person()
    made = await create(api, person, "read")
    await api.me(made.secret)
    await api.auth.RevokeAllSessions(auth_pb2.RevokeAllSessionsRequest(), metadata=person.metadata)
    assert (await api.me(made.secret)).user.user_id == person.user.user_id
    base = api.application.base
    with base.database.engine.begin() as connection:
        connection.execute(text("UPDATE users SET status = 'SUSPENDED'"))
    base.grants.revoke(person.user.user_id, below=1_000)
    assert (await refused(api.me(made.secret))).reason == "ACCOUNT_SUSPENDED"


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("allowed_networks", {"allowed_networks": ["192.0.2.1/24"]}),
        ("allowed_networks", {"allowed_networks": ["everywhere"]}),
        ("expire_time", {"expire_time": Timestamp(seconds=1)}),
        ("expire_time", {"expire_time": Timestamp(seconds=2**62)}),
        ("expire_time", {"expire_time": Timestamp(seconds=-(2**62))}),
        ("name", {"name": "  "}),
        ("name", {"name": "a\x07b"}),
        ("name", {"name": ""}),
        ("scopes", {"scopes": ["everything"]}),
        ("scopes", {"scopes": []}),
    ],
)
async def test_bad_key_is_refused_and_none_is_made(api: Api, field: str, given) -> None:
    """AUT-030."""
    person = await api.person()
    values = {"name": "robot", "scopes": ["read"], **given}
    request = auth_pb2.CreateApiKeyRequest(**values)
    refusal = await refused(api.auth.CreateApiKey(request, metadata=person.metadata))
    assert refusal.reason in {"INVALID_ARGUMENT", "FIELD_REQUIRED"}
    assert refusal.metadata["field"].split("[")[0] == field
    assert not (await keys(api, person)).keys


async def test_keys_of_others_are_out_of_reach(api: Api) -> None:
    """AUT-015."""
    owner, other = await api.person(), await api.person()
    made = await create(api, owner, "read")
    foreign = await refused(revoke(api, other, made.key.key_id))
    missing = await refused(revoke(api, other, "01ARZ3NDEKTSV4RRFFQ69G5FAV"))
    assert foreign.reason == missing.reason == "NOT_FOUND"
    assert not (await keys(api, other)).keys
    assert (await api.me(made.secret)).user.user_id == owner.user.user_id


async def test_keys_are_limited_and_paged(api: Api) -> None:
    """AUT-030."""
    person = await api.person()
    for _ in range(20):
        await create(api, person, "read")
    refusal = await refused(create(api, person, "read"))
    assert (refusal.reason, refusal.metadata) == ("KEY_LIMIT", {"maximum": "20"})
    first = await keys(api, person, page_size=15)
    second = await keys(api, person, page_size=15, page_token=first.next_page_token)
    assert (len(first.keys), len(second.keys), second.next_page_token) == (15, 5, "")
    assert len({one.key_id for one in (*first.keys, *second.keys)}) == 20


async def test_secret_is_kept_as_a_hash(api: Api) -> None:
    """AUT-023."""
    person = await api.person()
    request = auth_pb2.CreateApiKeyRequest(name="robot", scopes=["read"])
    metadata = (*person.metadata, ("idempotency-key", "one"))
    made = await api.auth.CreateApiKey(request, metadata=metadata)
    everywhere = written(api, "api_keys", "kept_replies", "audit_log", "outbox")
    assert made.key.prefix in everywhere
    assert made.secret[-20:] not in everywhere
