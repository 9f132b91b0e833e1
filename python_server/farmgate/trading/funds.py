"""Money that comes in and goes out: once, and out within the limit of the owner's level.

A withdrawal is a row before it is a command of the core: rows of a day add up under a lock, so many
at once do not pass the limit together, and a process that dies in between finds what to finish.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Final, TypeVar

from sqlalchemy import Connection

from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce
from farmgate.errors import DomainError
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids
from farmgate.ports.matching import Matching
from farmgate.trading import rules
from farmgate.trading import withdrawal_store as store
from farmgate.trading.withdrawal_store import Withdrawal
from farmgate.users.facade import Allowance, Users

M = TypeVar("M", bound=Serializable)
Allowances = Callable[[], Awaitable[Sequence[Allowance]]]

_LEVEL_MIN: Final = 2
_CASH: Final = 10_000
# Longer than a call lasts: what is pending still has nobody who works on it.
_LEFT_ALONE: Final = timedelta(seconds=90)
_AT_ONCE: Final = 100
# As long as replies are kept for repeats.
_KEY_HELD: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Moved:
    """What an account has of an asset after a movement, and the movement's sequence."""

    asset: str
    total_minor: int
    held_minor: int
    sequence: int


class Funds:
    """Brings money in and takes it out.

    Args:
        database: Where withdrawals are kept.
        matching: The core.
        clock: Tells the time.
        ids: Names withdrawals.
        allowances: Tells what each level allows now.
    """

    def __init__(
        self, database: Database, matching: Matching, clock: Clock, ids: Ids,
        allowances: Allowances,
    ) -> None:  # fmt: skip
        self._database = database
        self._matching = matching
        self._clock = clock
        self._ids = ids
        self._allowances = allowances

    async def bring_in(
        self, user_id: str, account: int, asset: str, amount_minor: int, key: str,
        effect: Effect[Moved, M],
    ) -> M:  # fmt: skip
        """Brings an amount in, which nobody really paid.

        Raises:
            DomainError: AMOUNT_OVERFLOW.
        """
        number = self._matching.assets().index(asset) + 1
        sequence = await self._matching.transfer(account, number, amount_minor, key.encode())
        moved = await self._moved(account, asset, sequence)
        now = self._clock.now()
        told = {"amount": rules.cash(amount_minor), "asset": asset}

        def finish(connection: Connection) -> None:
            about = f"deposit/{sequence}"
            announce(
                connection,
                Announcement("wallet.deposit", now, user_id=user_id, about=about, data=told),
            )
            effect.record(connection, moved, resource=about)

        await self._database.write(finish)
        return effect.reply

    async def take_out(
        self, user_id: str, asset: str, amount_minor: int, key: str, effect: Effect[Moved, M]
    ) -> M:
        """Takes an amount out of a user's account.

        Args:
            user_id: Whose.
            asset: Code of the currency.
            amount_minor: How much.
            key: The caller's idempotency key; empty for none.
            effect: Records the withdrawal.

        Raises:
            DomainError: ACCOUNT_UNKNOWN, KYC_LEVEL_REQUIRED, KYC_LIMIT_EXCEEDED or
                INSUFFICIENT_FUNDS.
        """
        allowed = await self._allowances()
        row_id, now = self._ids.ulid(), self._clock.now()
        draft = Withdrawal(
            row_id, user_id, 0, asset, amount_minor, now.date().isoformat(), key or row_id,
            "PENDING", 0, now,
        )  # fmt: skip
        one = await self._database.write(lambda tx: _reserved(tx, draft, allowed))
        sequence = one.sequence or await self._carry_out(one)
        moved = await self._moved(one.account, asset, sequence)

        def finish(connection: Connection) -> None:
            _done(connection, one, sequence)
            effect.record(connection, moved, resource=f"withdrawal/{one.id}")

        await self._database.write(finish)
        return effect.reply

    async def run(self) -> None:
        """Finishes what somebody left in the middle."""
        now = self._clock.now()
        left = await self._database.read(
            lambda tx: store.pending(tx, before=now - _LEFT_ALONE, limit=_AT_ONCE)
        )
        for one in left:
            try:
                sequence = await self._carry_out(one)
            except DomainError as error:
                if error.reason != "INSUFFICIENT_FUNDS":
                    raise
                continue
            await self._database.write(lambda tx: _done(tx, one, sequence))  # noqa: B023 - It is written at once.

    async def _carry_out(self, one: Withdrawal) -> int:
        """Returns the sequence at which the core took it out, the first time or before."""
        number = self._matching.assets().index(one.asset) + 1
        try:
            return await self._matching.transfer(
                one.account, number, -one.amount_minor, b"withdrawal/" + one.id.encode()
            )
        except DomainError as error:
            if error.reason == "INSUFFICIENT_FUNDS":
                await self._database.write(lambda tx: store.set_state(tx, one.id, "REFUSED"))
            raise

    async def _moved(self, account: int, asset: str, sequence: int) -> Moved:
        await self._matching.caught_up(sequence)
        _, total, held = next(one for one in self._matching.balances(account) if one[0] == asset)
        return Moved(asset, total, held, sequence)


def _reserved(
    connection: Connection, draft: Withdrawal, allowed: Sequence[Allowance]
) -> Withdrawal:
    """Returns the withdrawal of this request, within the limit of its day."""
    user = Users.by_id(connection, draft.user_id)
    if user is None or user.account_number is None:
        raise DomainError("ACCOUNT_UNKNOWN")
    store.lock_account(connection, user.account_number)
    known = store.of_request(connection, draft.user_id, draft.request_key)
    if known is not None and _is_repeat(known, draft):
        return known
    if user.kyc_level < _LEVEL_MIN:
        raise DomainError("KYC_LEVEL_REQUIRED", level=_LEVEL_MIN, actual=user.kyc_level)
    one = replace(draft, account=user.account_number)
    limit = allowed[user.kyc_level].withdrawal
    if limit is not None:
        taken = store.day_sum(connection, one.account, one.asset, one.day)
        if taken + one.amount_minor > limit * _CASH:
            told = f"{_plain(limit)} {one.asset} a day"
            raise DomainError("KYC_LIMIT_EXCEEDED", limit=told)
    if known is not None:
        store.release_key(connection, known.id)
    store.add(connection, one)
    return one


def _is_repeat(known: Withdrawal, draft: Withdrawal) -> bool:
    same = (known.asset, known.amount_minor) == (draft.asset, draft.amount_minor)
    is_fresh = draft.created_at - known.created_at < _KEY_HELD
    return same and is_fresh and known.state != "REFUSED"


def _done(connection: Connection, one: Withdrawal, sequence: int) -> None:
    if store.set_state(connection, one.id, "DONE", sequence=sequence):
        told = {"amount": rules.cash(one.amount_minor), "asset": one.asset}
        announce(
            connection,
            Announcement(
                "wallet.withdrawal", one.created_at, user_id=one.user_id, about=one.id, data=told
            ),
        )


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"
