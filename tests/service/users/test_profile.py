from typing import Any

import pytest
from sqlalchemy import update

from farmgate.api.auth.v1 import auth_pb2
from farmgate.api.users.v1 import users_pb2
from farmgate.users.tables import users
from support import Api, SignedIn, refused

UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


async def change(api: Api, person: SignedIn, *, version: int = 0, mask: Any = (), **given: Any):
    request = users_pb2.UpdateMyProfileRequest(
        user=users_pb2.User(**given), expected_version=version
    )
    request.update_mask.paths.extend(mask)
    answer = await api.users.UpdateMyProfile(request, metadata=person.metadata)
    return answer.user


async def make_admin(api: Api, person: SignedIn) -> SignedIn:
    """Gives somebody the role and a session under it."""
    await api.application.base.database.write(
        lambda tx: tx.execute(
            update(users).where(users.c.id == person.user.user_id).values(role="ADMIN")
        )
    )
    return SignedIn(person.user, await api.log_in(person.user.email))


async def test_profile_is_the_callers(api_on_any: Api) -> None:
    person = await api_on_any.person(display_name="Jan", country="US", locale="de-AT")
    request = users_pb2.GetMyProfileRequest()
    answer = await api_on_any.users.GetMyProfile(request, metadata=person.metadata)
    assert (answer.user.display_name, answer.user.country) == ("Jan", "US")
    for user_id in ("me", person.user.user_id):
        request = users_pb2.GetUserRequest(user_id=user_id)
        found = await api_on_any.users.GetUser(request, metadata=person.metadata)
        assert found.user == answer.user


async def test_update_changes_what_is_stated(api_on_any: Api) -> None:
    person = await api_on_any.person(display_name="Jan", country="US")
    changed = await change(api_on_any, person, phone="+15155550100", timezone="America/Chicago")
    assert (changed.phone, changed.timezone) == ("+15155550100", "America/Chicago")
    assert (changed.display_name, changed.country, changed.version) == ("Jan", "US", 2)


async def test_update_changes_what_the_mask_names(api: Api) -> None:
    person = await api.person(country="US")
    changed = await change(api, person, mask=["country"], display_name="ignored")
    assert (changed.country, changed.display_name) == ("", "Amara Okafor")
    changed = await change(api, person, mask=["*"], display_name="Jan")
    assert (changed.display_name, changed.locale, changed.timezone) == ("Jan", "en", "UTC")


async def test_update_of_another_version_is_refused(api_on_any: Api) -> None:
    person = await api_on_any.person()
    await change(api_on_any, person, version=1, display_name="Jan")
    refusal = await refused(change(api_on_any, person, version=1, display_name="Lea"))
    assert refusal.reason == "VERSION_CONFLICT"
    assert refusal.metadata == {"expected": "1", "actual": "2"}


@pytest.mark.parametrize(
    ("given", "mask", "field"),
    [
        ({"display_name": " "}, ["display_name"], "display_name"),
        ({}, ["display_name"], "display_name"),
        ({"phone": "0800"}, (), "phone"),
        ({"country": "usa"}, (), "country"),
        ({"country": "U\x00"}, (), "country"),
        ({"locale": "x" * 300}, (), "locale"),
        ({"timezone": "../etc/passwd"}, (), "timezone"),
        ({"email": "x@example.com"}, ["email"], "update_mask"),
        ({"kyc_level": 3}, ["kyc_level"], "update_mask"),
        ({}, ["\x00"], "update_mask"),
    ],
)
async def test_update_with_a_bad_value_is_refused(
    api: Api, given: dict[str, Any], mask: Any, field: str
) -> None:
    refusal = await refused(change(api, await api.person(), mask=mask, **given))
    assert (refusal.reason, refusal.metadata["field"]) == ("INVALID_ARGUMENT", field)


async def test_what_the_owner_may_not_change_stays(api: Api) -> None:
    person = await api.person()
    changed = await change(api, person, kyc_level=3, email="x@example.com", display_name="Jan")
    assert (changed.kyc_level, changed.email) == (1, person.user.email)


async def test_somebody_else_does_not_exist(api_on_any: Api) -> None:
    """AUT-015."""
    person, other = await api_on_any.person(), await api_on_any.person()
    for user_id in (other.user.user_id, UNKNOWN):
        request = users_pb2.GetUserRequest(user_id=user_id)
        refusal = await refused(api_on_any.users.GetUser(request, metadata=person.metadata))
        assert refusal.reason == "NOT_FOUND"
        request = users_pb2.UpdateUserRequest(user_id=user_id)
        refusal = await refused(api_on_any.users.UpdateUser(request, metadata=person.metadata))
        assert refusal.reason == "NOT_FOUND"


async def test_an_admin_reaches_everybody(api: Api) -> None:
    person = await api.person()
    admin = await make_admin(api, await api.person())
    request = users_pb2.UpdateUserRequest(
        user_id=person.user.user_id, user=users_pb2.User(display_name="Renamed")
    )
    answer = await api.users.UpdateUser(request, metadata=admin.metadata)
    assert answer.user.display_name == "Renamed"
    request = users_pb2.GetUserRequest(user_id=UNKNOWN)
    refusal = await refused(api.users.GetUser(request, metadata=admin.metadata))
    assert refusal.reason == "NOT_FOUND"


async def test_user_id_must_be_a_ulid(api: Api) -> None:
    person = await api.person()
    request = users_pb2.GetUserRequest(user_id="1; DROP TABLE users")
    refusal = await refused(api.users.GetUser(request, metadata=person.metadata))
    assert refusal.reason == "INVALID_ARGUMENT"


async def test_suspended_user_is_let_in_nowhere(api_on_any: Api) -> None:
    """AUT-007."""
    person = await api_on_any.person()
    await api_on_any.application.base.database.write(
        lambda tx: tx.execute(
            update(users).where(users.c.id == person.user.user_id).values(status="SUSPENDED")
        )
    )
    for call in (
        api_on_any.me(person.tokens.access_token),
        api_on_any.refresh(person.tokens.refresh_token),
        api_on_any.log_in(person.user.email),
    ):
        assert (await refused(call)).reason == "ACCOUNT_SUSPENDED"
    assert isinstance(person.tokens, auth_pb2.LoginResponse)
