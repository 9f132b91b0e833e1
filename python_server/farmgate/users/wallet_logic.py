"""Use cases of linking a wallet."""

from typing import TypeVar

from sqlalchemy import Connection

from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce
from farmgate.errors import DomainError
from farmgate.ports.clock import Clock
from farmgate.ports.wallets import checksummed
from farmgate.users import store, wallet_store
from farmgate.users.store import User
from farmgate.users.wallets import Challenge, Wallets

M = TypeVar("M", bound=Serializable)


class WalletLinks:
    """Links wallets to people.

    Args:
        database: Where people are kept.
        wallets: Issues challenges and judges who signed.
        clock: Tells the time.
    """

    def __init__(self, database: Database, wallets: Wallets, clock: Clock) -> None:
        self._database = database
        self._wallets = wallets
        self._clock = clock

    async def challenge(self, user_id: str, address: str, effect: Effect[Challenge, M]) -> M:
        """Gives a message to sign."""

        def issue(connection: Connection) -> None:
            challenge = self._wallets.issue(connection, address, user_id, self._clock.now())
            effect.record(connection, challenge, resource=f"user/{user_id}")

        await self._database.write(issue)
        return effect.reply

    async def link(
        self, user_id: str, address: str, nonce: str, message: str, signature: str,
        effect: Effect[User, M],
    ) -> M:  # fmt: skip
        """Links the wallet that signed.

        Raises:
            DomainError: What `Wallets.proved` raises, WALLET_IN_USE or WALLET_LOCKED_BY_CONTRACT.
        """

        def change(connection: Connection) -> None:
            now = self._clock.now()
            signer = self._wallets.proved(connection, message, signature, user_id, now)
            if signer != address.lower():
                raise DomainError("SIGNER_WALLET_MISMATCH", expected=checksummed(address))
            if f"Nonce: {nonce}\n" not in message:
                raise DomainError("WALLET_NONCE_INVALID")
            user = _existing(connection, user_id)
            is_other = user.wallet_address.lower() not in {"", signer}
            if is_other and self._wallets.is_locked(connection, user_id):
                raise DomainError("WALLET_LOCKED_BY_CONTRACT")
            if not wallet_store.set_wallet(connection, user_id, checksummed(signer), now):
                raise DomainError("WALLET_IN_USE")
            told = {"address": checksummed(signer)}
            announce(connection, Announcement("wallet.linked", now, user_id=user_id, data=told))
            changed = _existing(connection, user_id)
            effect.record(connection, changed, resource=f"user/{user_id}")

        await self._database.write(change)
        return effect.reply

    async def unlink(self, user_id: str, effect: Effect[User, M]) -> M:
        """Unlinks the wallet.

        Raises:
            DomainError: WALLET_LOCKED_BY_CONTRACT.
        """

        def change(connection: Connection) -> None:
            now = self._clock.now()
            user = _existing(connection, user_id)
            if self._wallets.is_locked(connection, user_id):
                raise DomainError("WALLET_LOCKED_BY_CONTRACT")
            if user.wallet_address:
                wallet_store.set_wallet(connection, user_id, None, now)
                told = {"address": user.wallet_address}
                announce(
                    connection, Announcement("wallet.unlinked", now, user_id=user_id, data=told)
                )
            changed = _existing(connection, user_id)
            effect.record(connection, changed, resource=f"user/{user_id}")

        await self._database.write(change)
        return effect.reply


def _existing(connection: Connection, user_id: str) -> User:
    user = store.user_by_id(connection, user_id)
    if user is None:
        raise DomainError("NOT_FOUND", resource="user", id=user_id)
    return user
