"""A user as the API tells it; also for the replies of other modules."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from farmgate.api.types.v1 import types_pb2
from farmgate.api.users.v1 import users_pb2
from farmgate.users.facade import User


def user_message(user: User) -> users_pb2.User:
    """Returns the message of a user."""
    return users_pb2.User(
        user_id=user.id,
        email=user.email,
        display_name=user.display_name,
        role=types_pb2.Role.Value(f"ROLE_{user.role}"),
        status=users_pb2.UserStatus.Value(f"USER_STATUS_{user.status}"),
        kyc_level=user.kyc_level,
        locale=user.locale,
        timezone=user.timezone,
        country=user.country,
        wallet_address=user.wallet_address,
        mfa_enabled=user.mfa_enabled,
        organization_id=user.organization_id,
        account_id=user.account_id or "",
        create_time=timestamp(user.created_at),
        last_login_time=timestamp(user.last_login_at) if user.last_login_at else None,
        version=user.version,
        phone=user.phone,
    )


def timestamp(at: datetime) -> Timestamp:
    """Returns the message of a time."""
    message = Timestamp()
    message.FromDatetime(at)
    return message
