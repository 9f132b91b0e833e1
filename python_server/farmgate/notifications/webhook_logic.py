"""Use cases of webhooks."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection

from farmgate.db import outbox
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid
from farmgate.notifications import catalogue, rules
from farmgate.notifications import webhook_store as store
from farmgate.notifications.webhook_store import Webhook, WebhookDelivery
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids

M = TypeVar("M", bound=Serializable)
_NONCE_BYTES: Final = 12


class SecretBox:
    """Keeps secrets of webhooks encrypted at rest.

    Args:
        key: Key of 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def shut(self, secret: bytes) -> bytes:
        """Returns a secret, encrypted."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, None)

    def open(self, kept: bytes) -> bytes:
        """Returns a secret that `shut` encrypted."""
        return self._cipher.decrypt(kept[:_NONCE_BYTES], kept[_NONCE_BYTES:], None)


@dataclass(frozen=True, slots=True)
class WithSecret:
    """A webhook and the secret that is told once."""

    webhook: Webhook
    secret: str


class Webhooks:
    """Keeps webhooks.

    Args:
        database: Where they are kept.
        box: Encrypts their secrets.
        clock: Tells the time.
        ids: Names them.
        may_be_private: Whether addresses of the own network and plain HTTP are taken.
    """

    def __init__(
        self, database: Database, box: SecretBox, clock: Clock, ids: Ids, *, may_be_private: bool
    ) -> None:
        self._database = database
        self._box = box
        self._clock = clock
        self._ids = ids
        self._may_be_private = may_be_private

    async def create(
        self, user_id: str, url: str, events: list[str], description: str,
        effect: Effect[WithSecret, M],
    ) -> M:  # fmt: skip
        """Creates a webhook.

        Raises:
            DomainError: WEBHOOK_URL_FORBIDDEN, INVALID_ARGUMENT or WEBHOOK_LIMIT.
        """
        rules.checked_url(url, may_be_private=self._may_be_private)
        secret = secrets.token_bytes(rules.SECRET_BYTES)
        new = Webhook(
            id=self._ids.ulid(), user_id=user_id, url=url, events=_checked_events(events),
            description=description, state="ACTIVE", failure_count=0, failing_since=None,
            secret=self._box.shut(secret), old_secret=None, old_expires_at=None,
            last_delivery_at=None, created_at=self._clock.now(), version=1,
        )  # fmt: skip

        def change(connection: Connection) -> None:
            if store.webhook_count(connection, user_id) >= rules.WEBHOOKS_MAX:
                raise DomainError("WEBHOOK_LIMIT", maximum=rules.WEBHOOKS_MAX)
            store.insert_webhook(connection, new)
            made = WithSecret(new, rules.secret_text(secret))
            effect.record(connection, made, resource=f"webhook/{new.id}")

        await self._database.write(change)
        return effect.reply

    async def page(self, user_id: str | None, *, after: str, limit: int) -> list[Webhook]:
        """Returns somebody's webhooks, or everybody's with None."""
        return await self._database.read(
            lambda tx: store.webhook_page(tx, user_id, after=after, limit=limit)
        )

    async def update(
        self, user_id: str, webhook_id: str, *, url: str, events: list[str],
        description: str | None, state: str, expected: int, effect: Effect[Webhook, M],
    ) -> M:  # fmt: skip
        """Changes what is given; empty values and None keep what there is.

        Raises:
            DomainError: NOT_FOUND, VERSION_CONFLICT or WEBHOOK_URL_FORBIDDEN.
        """
        if url:
            rules.checked_url(url, may_be_private=self._may_be_private)
        names = _checked_events(events) if events else ()

        def change(found: Webhook) -> Webhook:
            if expected not in {0, found.version}:
                raise DomainError("VERSION_CONFLICT", actual=found.version, expected=expected)
            is_awoken = state == "ACTIVE" and found.state != "ACTIVE"
            return replace(
                found,
                url=url or found.url,
                events=names or found.events,
                description=found.description if description is None else description,
                state=state or found.state,
                failure_count=0 if is_awoken else found.failure_count,
                failing_since=None if is_awoken else found.failing_since,
                version=found.version + 1,
            )

        return await self._change(user_id, webhook_id, change, effect)

    async def rotate(self, user_id: str, webhook_id: str, effect: Effect[WithSecret, M]) -> M:
        """Gives a webhook a new secret; the old one counts for a day.

        Raises:
            DomainError: NOT_FOUND.
        """
        secret = secrets.token_bytes(rules.SECRET_BYTES)
        until = self._clock.now() + rules.ROTATION

        def write(connection: Connection) -> None:
            found = _owned(connection, user_id, webhook_id)
            changed = replace(
                found, secret=self._box.shut(secret), old_secret=found.secret,
                old_expires_at=until, version=found.version + 1,
            )  # fmt: skip
            store.replace_webhook(connection, changed)
            made = WithSecret(changed, rules.secret_text(secret))
            effect.record(connection, made, resource=f"webhook/{webhook_id}")

        await self._database.write(write)
        return effect.reply

    async def delete(self, user_id: str, webhook_id: str, effect: Effect[None, M]) -> M:
        """Deletes a webhook with what was to go to it.

        Raises:
            DomainError: NOT_FOUND.
        """

        def write(connection: Connection) -> None:
            _owned(connection, user_id, webhook_id)
            store.remove_webhook(connection, webhook_id)
            effect.record(connection, None, resource=f"webhook/{webhook_id}")

        await self._database.write(write)
        return effect.reply

    async def test(self, user_id: str, webhook_id: str, effect: Effect[WebhookDelivery, M]) -> M:
        """Queues an event that means nothing.

        Raises:
            DomainError: NOT_FOUND.
        """
        delivery_id, now = self._ids.ulid(), self._clock.now()
        body = outbox.text_of({"type": "webhook.test", "data": {"webhook_id": webhook_id}})

        def write(connection: Connection) -> None:
            _owned(connection, user_id, webhook_id)
            queued = store.queue_body(
                connection, webhook_id, f"evt_{delivery_id}", "webhook.test", body,
                delivery_id=delivery_id, now=now,
            )  # fmt: skip
            effect.record(connection, queued, resource=f"webhook/{webhook_id}")

        await self._database.write(write)
        return effect.reply

    async def deliveries(
        self, user_id: str | None, webhook_id: str, *, state: str, before: str, limit: int
    ) -> list[WebhookDelivery]:
        """Returns what went to a webhook, newest first; any webhook's with None.

        Raises:
            DomainError: NOT_FOUND.
        """

        def read(connection: Connection) -> list[WebhookDelivery]:
            _owned(connection, user_id, webhook_id)
            return store.delivery_page(
                connection, webhook_id, state=state, before=before, limit=limit
            )

        return await self._database.read(read)

    async def redeliver(
        self, user_id: str, webhook_id: str, delivery_id: str, effect: Effect[WebhookDelivery, M]
    ) -> M:
        """Queues an event once more, under its name.

        Raises:
            DomainError: NOT_FOUND.
        """
        new_id, now = self._ids.ulid(), self._clock.now()

        def write(connection: Connection) -> None:
            _owned(connection, user_id, webhook_id)
            found = store.delivery(connection, webhook_id, delivery_id)
            if found is None:
                raise DomainError("NOT_FOUND", resource="delivery", id=delivery_id)
            queued = store.queue_body(
                connection, webhook_id, found.event_id, found.type, found.body,
                delivery_id=new_id, now=now,
            )  # fmt: skip
            effect.record(connection, queued, resource=f"webhook/{webhook_id}")

        await self._database.write(write)
        return effect.reply

    async def _change(
        self, user_id: str, webhook_id: str, change: Callable[[Webhook], Webhook],
        effect: Effect[Webhook, M],
    ) -> M:  # fmt: skip
        def write(connection: Connection) -> None:
            changed = change(_owned(connection, user_id, webhook_id))
            store.replace_webhook(connection, changed)
            effect.record(connection, changed, resource=f"webhook/{webhook_id}")

        await self._database.write(write)
        return effect.reply


def _owned(connection: Connection, user_id: str | None, webhook_id: str) -> Webhook:
    found = store.webhook(connection, webhook_id)
    if found is None or user_id not in {None, found.user_id}:
        raise DomainError("NOT_FOUND", resource="webhook", id=webhook_id)
    return found


def _checked_events(names: list[str]) -> tuple[str, ...]:
    for name in names:
        if not catalogue.is_known(name):
            raise invalid("events", f'may name types, categories or "*", and {name[:64]!r} is none')
    return tuple(dict.fromkeys(names))
