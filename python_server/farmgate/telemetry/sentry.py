"""Faults reported to Sentry, or to what speaks its protocol: the fault and where it was, no data.

Nothing is sent unless an address is set. What people sent stays here: no bodies, no local
variables, no headers, and the words of exceptions pass the redactor of the log.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import sentry_sdk

from farmgate.telemetry.logs import Redactor

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

_FLUSH_S: Final = 2.0
# A fault that comes with each call would else fill the quota of a month in an hour.
_SAMPLE_RATE: Final = 1.0
_BREADCRUMBS_MAX: Final = 0


def configure(dsn: str, *, environment: str, release: str, sensitive: Iterable[str] = ()) -> None:
    """Reports faults from now on; does nothing for an empty address.

    Args:
        dsn: Address of the project, with its key.
        environment: "development" or "production".
        release: Version of Farmgate.
        sensitive: Names of fields that are never told.
    """
    if not dsn:
        return
    redact = Redactor(sensitive)

    def clean(event: "Event", _hint: "Hint") -> "Event":
        event.pop("request", None)
        event.pop("user", None)
        event.pop("server_name", None)
        event.pop("modules", None)
        for value in (event.get("exception") or {}).get("values", ()):
            value["value"] = redact(None, "", {"exception": str(value.get("value", ""))})[
                "exception"
            ]
        return event

    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        release=f"farmgate@{release}",
        sample_rate=_SAMPLE_RATE,
        max_breadcrumbs=_BREADCRUMBS_MAX,
        include_local_variables=False,
        include_source_context=False,
        default_integrations=False,
        auto_session_tracking=False,
        before_send=clean,
    )


def report(error: BaseException, **tags: str) -> None:
    """Reports a fault, with tags to find it by; never raises and never waits."""
    if not sentry_sdk.get_client().is_active():
        return
    with sentry_sdk.new_scope() as scope:
        for name, value in tags.items():
            scope.set_tag(name, value)
        scope.capture_exception(error)


def close() -> None:
    """Sends what waits, boundedly."""
    sentry_sdk.flush(timeout=_FLUSH_S)
