"""What an installation for production must be given, and may not have."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from farmgate.app.settings import Settings

_SECRET_LENGTH_MIN: Final = 32


def not_for_production(settings: "Settings") -> list[str]:
    """Returns what is wrong with settings for production, in words."""
    mistakes = []
    if len(settings.secret_key.get_secret_value()) < _SECRET_LENGTH_MIN:
        mistakes.append("FARMGATE_SECRET_KEY must be given in production, 32 characters or more.")
    if settings.auth_signing_key_file is None:
        mistakes.append("FARMGATE_AUTH_SIGNING_KEY_FILE must be given in production.")
    if settings.auth_auto_verify_email:
        mistakes.append("FARMGATE_AUTH_AUTO_VERIFY_EMAIL can't be true in production.")
    if settings.auth_admin_mfa is False:
        mistakes.append("FARMGATE_AUTH_ADMIN_MFA can't be false in production.")
    if settings.database_address.startswith("sqlite"):
        mistakes.append("FARMGATE_DATABASE_URL must name a PostgreSQL database in production.")
    everywhere = {"0.0.0.0", "::"}  # noqa: S104 - Compared, not bound.
    if settings.shares_journal and settings.host in everywhere and not settings.advertised_address:
        mistakes.append(
            "FARMGATE_ADVERTISED_ADDRESS must be given when FARMGATE_HOST is every address."
        )
    if settings.demo:
        mistakes.append("FARMGATE_DEMO can't be true in production.")
    if settings.chain_url.get_secret_value() and settings.chain_operator_key_file is None:
        mistakes.append("FARMGATE_CHAIN_OPERATOR_KEY_FILE must be given in production.")
    if settings.reflection:
        mistakes.append("FARMGATE_REFLECTION can't be true in production.")
    return mistakes
