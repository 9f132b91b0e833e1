"""The gRPC face of people."""

from typing import Final

from farmgate.api.users.v1 import users_pb2
from farmgate.errors import DomainError
from farmgate.ports.cache import Cache
from farmgate.rpc.call import Call
from farmgate.rpc.registry import Servicer
from farmgate.users.facade import Profile, Profiles, User
from farmgate.users.messages import user_message

_ME: Final = "me"


class UserService(Servicer):
    """Answers the RPCs of `farmgate.api.users.v1.UserService`."""

    SERVICE = users_pb2.DESCRIPTOR.services_by_name["UserService"]

    def __init__(self, profiles: Profiles, known: Cache[users_pb2.User]) -> None:
        self._profiles = profiles
        self._known = known

    async def GetUser(
        self, request: users_pb2.GetUserRequest, call: Call
    ) -> users_pb2.GetUserResponse:
        user = await self._user(_reachable(request.user_id, call))
        return users_pb2.GetUserResponse(user=user)

    async def UpdateUser(
        self, request: users_pb2.UpdateUserRequest, call: Call
    ) -> users_pb2.UpdateUserResponse:
        def render(user: User) -> users_pb2.UpdateUserResponse:
            return users_pb2.UpdateUserResponse(user=user_message(user))

        return await self._profiles.update(
            _reachable(request.user_id, call),
            _profile(request.user),
            mask=request.update_mask.paths,
            expected_version=request.expected_version,
            effect=call.effect(render),
        )

    async def GetMyProfile(
        self, request: users_pb2.GetMyProfileRequest, call: Call
    ) -> users_pb2.GetMyProfileResponse:
        user = await self._user(call.caller.user_id)
        return users_pb2.GetMyProfileResponse(user=user)

    async def UpdateMyProfile(
        self, request: users_pb2.UpdateMyProfileRequest, call: Call
    ) -> users_pb2.UpdateMyProfileResponse:
        def render(user: User) -> users_pb2.UpdateMyProfileResponse:
            return users_pb2.UpdateMyProfileResponse(user=user_message(user))

        return await self._profiles.update(
            call.caller.user_id,
            _profile(request.user),
            mask=request.update_mask.paths,
            expected_version=request.expected_version,
            effect=call.effect(render),
        )

    async def _user(self, user_id: str) -> users_pb2.User:
        async def read() -> users_pb2.User:
            return user_message(await self._profiles.get(user_id))

        return await self._known.get(user_id, read)


def _reachable(user_id: str, call: Call) -> str:
    """Returns the ID of a user whom the caller reaches; others do not exist for the caller."""
    own = call.caller.user_id
    if user_id in {_ME, own}:
        return own
    if not call.bypasses_ownership:
        raise DomainError("NOT_FOUND", resource="user", id=user_id)
    return user_id


def _profile(user: users_pb2.User) -> Profile:
    return Profile(
        display_name=user.display_name,
        phone=user.phone,
        country=user.country,
        locale=user.locale,
        timezone=user.timezone,
    )
