"""The gRPC face of signing in."""

from typing import Final, TypeVar

from google.api import httpbody_pb2
from google.protobuf.message import Message

from farmgate.api.auth.v1 import auth_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.auth.facade import (
    ApiKey,
    ApiKeys,
    Client,
    Enrolled,
    KeyWithSecret,
    Recovery,
    SecondFactors,
    Session,
    Sessions,
    SignedIn,
    SignIn,
    Subject,
)
from farmgate.db.effects import Effect
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.rpc.registry import Servicer
from farmgate.users.facade import Challenge, NewUser, User
from farmgate.users.messages import timestamp, user_message

M = TypeVar("M", bound=Message)

# What access tokens are called in the header that carries them.
_BEARER: Final = "Bearer"


class AuthService(Servicer):
    """Answers the RPCs of `farmgate.api.auth.v1.AuthService`.

    Args:
        sign_in: Registers, signs in and out.
        sessions: Lists and ends sessions.
        recovery: Verifies addresses and resets passwords.
        second_factors: Sets second factors up.
        keys: Makes and revokes API keys.
        pager: Signs page tokens.
        jwks: The public keys as JSON.
    """

    SERVICE = auth_pb2.DESCRIPTOR.services_by_name["AuthService"]

    def __init__(
        self, sign_in: SignIn, sessions: Sessions, recovery: Recovery,
        second_factors: SecondFactors, keys: ApiKeys, pager: Pager, jwks: bytes,
    ) -> None:  # fmt: skip
        self._sign_in = sign_in
        self._sessions = sessions
        self._recovery = recovery
        self._second_factors = second_factors
        self._keys = keys
        self._pager = pager
        self._jwks = jwks

    async def Register(
        self, request: auth_pb2.RegisterRequest, call: Call
    ) -> auth_pb2.RegisterResponse:
        new = NewUser(
            email=request.email,
            display_name=request.display_name,
            role=types_pb2.Role.Name(request.role).removeprefix("ROLE_"),
            country=request.country,
            locale=request.locale,
            timezone=request.timezone,
            is_verified=False,
        )

        def render(user: User) -> auth_pb2.RegisterResponse:
            return auth_pb2.RegisterResponse(user=user_message(user))

        return await self._sign_in.register(new, request.password, call.effect(render))

    async def Login(self, request: auth_pb2.LoginRequest, call: Call) -> auth_pb2.LoginResponse:
        def render(result: SignedIn) -> auth_pb2.LoginResponse:
            return auth_pb2.LoginResponse(
                access_token=result.access_token,
                token_type=_BEARER,
                expires_in_s=result.expires_in_s,
                refresh_token=result.refresh_token,
                refresh_expires_in_s=result.refresh_expires_in_s,
                user=user_message(result.user),
            )

        return await self._sign_in.log_in(
            request.email, request.password, request.mfa_code, _client(call), call.effect(render)
        )

    async def WalletLoginChallenge(
        self, request: auth_pb2.WalletLoginChallengeRequest, call: Call
    ) -> auth_pb2.WalletLoginChallengeResponse:
        def render(challenge: Challenge) -> auth_pb2.WalletLoginChallengeResponse:
            return auth_pb2.WalletLoginChallengeResponse(
                message=challenge.message,
                nonce=challenge.nonce,
                expire_time=timestamp(challenge.expires_at),
            )

        return await self._sign_in.wallet_challenge(request.address, call.effect(render))

    async def WalletLogin(
        self, request: auth_pb2.WalletLoginRequest, call: Call
    ) -> auth_pb2.WalletLoginResponse:
        def render(result: SignedIn) -> auth_pb2.WalletLoginResponse:
            return auth_pb2.WalletLoginResponse(
                access_token=result.access_token,
                token_type=_BEARER,
                expires_in_s=result.expires_in_s,
                refresh_token=result.refresh_token,
                refresh_expires_in_s=result.refresh_expires_in_s,
                user=user_message(result.user),
            )

        return await self._sign_in.wallet_log_in(
            request.message, request.signature, request.mfa_code, _client(call), call.effect(render)
        )

    async def Refresh(
        self, request: auth_pb2.RefreshRequest, call: Call
    ) -> auth_pb2.RefreshResponse:
        def render(result: SignedIn) -> auth_pb2.RefreshResponse:
            return auth_pb2.RefreshResponse(
                access_token=result.access_token,
                token_type=_BEARER,
                expires_in_s=result.expires_in_s,
                refresh_token=result.refresh_token,
                refresh_expires_in_s=result.refresh_expires_in_s,
                user=user_message(result.user),
            )

        return await self._sign_in.refresh(
            request.refresh_token, _client(call), call.effect(render)
        )

    async def Logout(self, request: auth_pb2.LogoutRequest, call: Call) -> auth_pb2.LogoutResponse:
        return await self._sign_in.log_out(
            call.caller.user_id,
            call.caller.session_id,
            call.effect(lambda _: auth_pb2.LogoutResponse()),
        )

    async def GetMe(self, request: auth_pb2.GetMeRequest, call: Call) -> auth_pb2.GetMeResponse:
        user = await self._sign_in.user(call.caller.user_id)
        return auth_pb2.GetMeResponse(user=user_message(user), session_id=call.caller.session_id)

    async def ChangePassword(
        self, request: auth_pb2.ChangePasswordRequest, call: Call
    ) -> auth_pb2.ChangePasswordResponse:
        return await self._sessions.change_password(
            call.caller.user_id,
            call.caller.session_id,
            request.current_password,
            request.new_password,
            call.effect(lambda _: auth_pb2.ChangePasswordResponse()),
        )

    async def ListSessions(
        self, request: auth_pb2.ListSessionsRequest, call: Call
    ) -> auth_pb2.ListSessionsResponse:
        caller, size = call.caller, page_size(request.page_size)
        after = self._pager.after(request, request.page_token, caller=caller.user_id)
        before = str(after[0]) if after else None
        found = await self._sessions.page(caller.user_id, before=before, limit=size + 1)
        page, has_more = found[:size], len(found) > size
        return auth_pb2.ListSessionsResponse(
            sessions=[_session(one, caller.session_id) for one in page],
            next_page_token=self._pager.token(request, (page[-1].id,), caller=caller.user_id)
            if has_more
            else "",
        )

    async def RevokeSession(
        self, request: auth_pb2.RevokeSessionRequest, call: Call
    ) -> auth_pb2.RevokeSessionResponse:
        return await self._sessions.end(
            call.caller.user_id,
            request.session_id,
            call.effect(lambda _: auth_pb2.RevokeSessionResponse()),
        )

    async def RevokeAllSessions(
        self, request: auth_pb2.RevokeAllSessionsRequest, call: Call
    ) -> auth_pb2.RevokeAllSessionsResponse:
        def render(count: int) -> auth_pb2.RevokeAllSessionsResponse:
            return auth_pb2.RevokeAllSessionsResponse(revoked_count=count)

        return await self._sessions.end_all(call.caller.user_id, call.effect(render))

    async def VerifyEmail(
        self, request: auth_pb2.VerifyEmailRequest, call: Call
    ) -> auth_pb2.VerifyEmailResponse:
        effect = _told_nothing(call, auth_pb2.VerifyEmailResponse)
        return await self._recovery.verify_email(request.token, effect)

    async def ResendVerification(
        self, request: auth_pb2.ResendVerificationRequest, call: Call
    ) -> auth_pb2.ResendVerificationResponse:
        effect = _told_nothing(call, auth_pb2.ResendVerificationResponse)
        return await self._recovery.ask_verification(request.email, effect)

    async def RequestPasswordReset(
        self, request: auth_pb2.RequestPasswordResetRequest, call: Call
    ) -> auth_pb2.RequestPasswordResetResponse:
        effect = _told_nothing(call, auth_pb2.RequestPasswordResetResponse)
        return await self._recovery.ask_reset(request.email, effect)

    async def ResetPassword(
        self, request: auth_pb2.ResetPasswordRequest, call: Call
    ) -> auth_pb2.ResetPasswordResponse:
        effect = _told_nothing(call, auth_pb2.ResetPasswordResponse)
        return await self._recovery.reset_password(request.token, request.new_password, effect)

    async def EnrollMfa(
        self, request: auth_pb2.EnrollMfaRequest, call: Call
    ) -> auth_pb2.EnrollMfaResponse:
        def render(enrolled: Enrolled) -> auth_pb2.EnrollMfaResponse:
            return auth_pb2.EnrollMfaResponse(secret=enrolled.secret, otpauth_uri=enrolled.uri)

        return await self._second_factors.enroll(
            call.caller.user_id, request.password, call.effect(render)
        )

    async def ConfirmMfa(
        self, request: auth_pb2.ConfirmMfaRequest, call: Call
    ) -> auth_pb2.ConfirmMfaResponse:
        def render(codes: list[str]) -> auth_pb2.ConfirmMfaResponse:
            return auth_pb2.ConfirmMfaResponse(recovery_codes=codes)

        return await self._second_factors.confirm(
            call.caller.user_id, call.caller.session_id, request.code, call.effect(render)
        )

    async def DisableMfa(
        self, request: auth_pb2.DisableMfaRequest, call: Call
    ) -> auth_pb2.DisableMfaResponse:
        return await self._second_factors.disable(
            call.caller.user_id,
            call.caller.session_id,
            code=request.code,
            password=request.password,
            effect=call.effect(lambda _: auth_pb2.DisableMfaResponse()),
        )

    async def CreateApiKey(
        self, request: auth_pb2.CreateApiKeyRequest, call: Call
    ) -> auth_pb2.CreateApiKeyResponse:
        def render(made: KeyWithSecret) -> auth_pb2.CreateApiKeyResponse:
            return auth_pb2.CreateApiKeyResponse(key=_api_key(made.key), secret=made.secret)

        return await self._keys.create(
            call.caller.user_id,
            request.name,
            scopes=request.scopes,
            networks=request.allowed_networks,
            expires_s=request.expire_time.seconds if request.HasField("expire_time") else None,
            effect=call.effect(render),
        )

    async def ListApiKeys(
        self, request: auth_pb2.ListApiKeysRequest, call: Call
    ) -> auth_pb2.ListApiKeysResponse:
        caller, size = call.caller, page_size(request.page_size)
        after = self._pager.after(request, request.page_token, caller=caller.user_id)
        before = str(after[0]) if after else ""
        found = await self._keys.page(caller.user_id, before=before, limit=size + 1)
        page, has_more = found[:size], len(found) > size
        return auth_pb2.ListApiKeysResponse(
            keys=[_api_key(one) for one in page],
            next_page_token=self._pager.token(request, (page[-1].id,), caller=caller.user_id)
            if has_more
            else "",
        )

    async def RevokeApiKey(
        self, request: auth_pb2.RevokeApiKeyRequest, call: Call
    ) -> auth_pb2.RevokeApiKeyResponse:
        return await self._keys.revoke(
            call.caller.user_id,
            request.key_id,
            call.effect(lambda _: auth_pb2.RevokeApiKeyResponse()),
        )

    async def CreateStreamTicket(
        self, request: auth_pb2.CreateStreamTicketRequest, call: Call
    ) -> auth_pb2.CreateStreamTicketResponse:
        caller = call.caller
        ticket, expires_in_s = self._sessions.ticket(
            Subject(
                user_id=caller.user_id,
                session_id=caller.session_id,
                session_version=caller.session_version,
            )
        )
        return auth_pb2.CreateStreamTicketResponse(ticket=ticket, expires_in_s=expires_in_s)

    async def GetJwks(self, request: auth_pb2.GetJwksRequest, call: Call) -> httpbody_pb2.HttpBody:
        return httpbody_pb2.HttpBody(content_type="application/json", data=self._jwks)


def _told_nothing(call: Call, reply: type[M]) -> Effect[None, M]:
    return call.effect(lambda _: reply())


def _client(call: Call) -> Client:
    return Client(ip=call.ip, user_agent=call.user_agent)


def _session(session: Session, current_id: str) -> auth_pb2.Session:
    return auth_pb2.Session(
        session_id=session.id,
        device=session.device,
        ip=session.ip,
        user_agent=session.user_agent,
        create_time=timestamp(session.created_at),
        last_use_time=timestamp(session.last_used_at),
        expire_time=timestamp(session.expires_at),
        is_current=session.id == current_id,
    )


def _api_key(key: ApiKey) -> auth_pb2.ApiKey:
    return auth_pb2.ApiKey(
        key_id=key.id,
        name=key.name,
        prefix=key.prefix,
        scopes=key.scopes,
        allowed_networks=key.allowed_networks,
        expire_time=timestamp(key.expires_at) if key.expires_at else None,
        last_use_time=timestamp(key.last_used_at) if key.last_used_at else None,
        create_time=timestamp(key.created_at),
    )
