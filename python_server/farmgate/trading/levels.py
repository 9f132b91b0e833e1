"""What a KYC level allows, put into force in the core: limits are commands, as orders are.

The core holds an account to its limits by itself. Here they are brought to it: when the account
opens, when the level changes, when a setting changes, and again each minute, so that what failed or
was missed is made good.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from farmgate.api.trading.v1 import trading_pb2
from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.ports.ids import encode
from farmgate.ports.matching import Hold, Matching, Switch
from farmgate.trading.facade import TradingAccounts
from farmgate.users.facade import AccountLevel, Allowance, User, Users

_CASH: Final = 10_000
_FORWARDS_LEVEL: Final = 2
_FORWARD: Final = 2
_ACCOUNTS_AT_ONCE: Final = 1_000

Allowances = Callable[[], Awaitable[Sequence[Allowance]]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an account may do, in the core's units; 0 is no limit."""

    order_minor: int
    daily_minor: int
    may_trade: bool
    may_forward: bool


class Levels:
    """Holds accounts to what the levels of their owners allow; opens them so.

    Args:
        database: Where people are kept.
        matching: The core.
        accounts: Opens accounts in it.
        allowances: Tells what each level allows now.
    """

    def __init__(
        self, database: Database, matching: Matching, accounts: TradingAccounts,
        allowances: Allowances,
    ) -> None:  # fmt: skip
        self._database = database
        self._matching = matching
        self._accounts = accounts
        self._allowances = allowances

    async def open_account(self, account_id: bytes) -> int:
        """Returns the number of the account, opened with the limits of its owner's level.

        Args:
            account_id: The 16 bytes of its ULID.
        """
        number = await self._accounts.open_account(account_id)
        text = encode(int.from_bytes(account_id))
        user = await self._database.read(lambda tx: Users.by_account(tx, text))
        if user is not None:
            await self._bind(AccountLevel(number, user.kyc_level), await self._bounds())
        return number

    async def apply(self, user: User) -> None:
        """Holds a user to the level: no new order passes it, and what is open above it ends."""
        number = user.account_number
        if number is None:
            return
        found = await self._database.read(
            lambda tx: Users.account_levels(tx, after=number - 1, limit=1)
        )
        # Accounts whose owners agreed on limits of their own are not listed.
        if found and found[0].number == number:
            await self._bind(found[0], await self._bounds())

    async def run(self) -> None:
        """Holds everybody to the level."""
        bounds, after = await self._bounds(), -1
        while True:
            place = after
            page = await self._database.read(
                lambda tx: Users.account_levels(tx, after=place, limit=_ACCOUNTS_AT_ONCE)  # noqa: B023 - It is read at once.
            )
            for one in page:
                await self._bind(one, bounds)
            if len(page) < _ACCOUNTS_AT_ONCE:
                return
            after = page[-1].number

    async def _bounds(self) -> list[Bounds]:
        allowed = await self._allowances()
        # Who is not known yet has the limits of level 1: the first step then needs no command.
        known = [max(one, allowed[1], key=lambda found: found.level) for one in allowed]
        return [
            Bounds(
                _minor(one.order), _minor(one.daily), may_trade=allowed[level].may_trade,
                may_forward=level >= _FORWARDS_LEVEL,
            )
            for level, one in enumerate(known)
        ]  # fmt: skip

    async def _bind(self, one: AccountLevel, bounds: Sequence[Bounds]) -> None:
        wanted = bounds[one.level]
        await self._matching.caught_up()
        try:
            risk = self._matching.risk(one.number)
        except DomainError as error:
            if error.reason != "ACCOUNT_UNKNOWN":
                raise
            # It is opened with its limits when its owner signs in.
            return
        limits = risk.limits._replace(
            max_order_notional_minor=wanted.order_minor,
            max_daily_notional_minor=wanted.daily_minor,
        )
        if limits != risk.limits:
            await self._matching.set_risk_limits(
                one.number, limits, max_open_orders=risk.max_open_orders
            )
        if (Switch.NO_FORWARDS in risk.switches) == wanted.may_forward:
            await self._matching.set_switch(
                one.number, Switch.NO_FORWARDS, is_on=not wanted.may_forward
            )
        await self._end_excess(one.number, wanted)

    async def _end_excess(self, number: int, wanted: Bounds) -> None:
        """Cancels open orders that the limits, in force by now, would not let in."""
        await self._matching.caught_up()
        orders = [hold for hold in self._matching.holds(number) if hold.order_id]
        for order in excess(orders, wanted, self._forwards(orders)):
            request = trading_pb2.CancelOrderRequest(order_id=order.order_id)
            try:
                await self._matching.cancel_order(None, b"", request.SerializeToString())
            except DomainError as error:
                # It ended by itself meanwhile.
                if error.reason not in {"ORDER_NOT_FOUND", "ORDER_CLOSED"}:
                    raise

    def _forwards(self, orders: Iterable[Hold]) -> frozenset[str]:
        symbols = sorted({order.symbol for order in orders})
        found = self._matching.instruments(symbols) if symbols else []
        return frozenset(one["symbol"] for one in found if one["kind"] == _FORWARD)


def excess(orders: Sequence[Hold], wanted: Bounds, forwards: frozenset[str]) -> list[Hold]:
    """Returns the orders that limits do not let be open, of an account's the oldest first.

    Those above the limit of an order go, and of a day's the newest.
    """
    gone: list[Hold] = []
    open_minor: dict[str, int] = {}
    for order in orders:
        total = open_minor.get(order.currency, 0) + order.value_minor
        is_above = 0 < wanted.order_minor < order.value_minor or 0 < wanted.daily_minor < total
        is_barred = order.symbol in forwards and not wanted.may_forward
        if is_above or is_barred or not wanted.may_trade:
            gone.append(order)
        else:
            open_minor[order.currency] = total
    return gone


def _minor(amount: Decimal | None) -> int:
    return 0 if amount is None else int(amount * _CASH)
