"""The gRPC face of the trading account's money: the core decides, history tells."""

from farmgate.api.users.v1 import users_pb2
from farmgate.errors import DomainError, invalid
from farmgate.ports.matching import Matching
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.rpc.registry import Servicer
from farmgate.trading import rules, store
from farmgate.trading.accounts import Readable, own_account
from farmgate.trading.funds import Funds, Moved
from farmgate.trading.history import History
from farmgate.trading.messages import timestamp


def minor_units(text: str, asset: str) -> int:
    """Returns a positive amount in minor units.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    scale = rules.scale_of(asset)
    whole, _, fraction = text.partition(".")
    if whole.startswith("-") or not (whole + fraction).strip("0"):
        raise invalid("amount", "must be more than 0")
    if fraction[scale:].strip("0"):
        raise invalid("amount", f"must have at most {scale} decimals")
    return int(whole + fraction[:scale].ljust(scale, "0"))


class WalletServicer(Servicer):
    """Serves `WalletService`.

    Args:
        matching: The core.
        history: What the projector wrote.
        pager: Signs page tokens.
        readable: Knows whose accounts a call may show.
        funds: Brings money in and takes it out.
        takes_test_deposits: Whether deposits are credited at once, as on a demonstration.
    """

    SERVICE = users_pb2.DESCRIPTOR.services_by_name["WalletService"]

    def __init__(
        self, matching: Matching, history: History, pager: Pager, readable: Readable,
        funds: Funds, *, takes_test_deposits: bool,
    ) -> None:  # fmt: skip
        self._matching = matching
        self._history = history
        self._pager = pager
        self._readable = readable
        self._funds = funds
        self._takes_test_deposits = takes_test_deposits

    async def GetBalances(
        self, request: users_pb2.GetBalancesRequest, call: Call
    ) -> users_pb2.GetBalancesResponse:
        account, account_id = await self._readable.account(call, request.account_id)
        await self._matching.caught_up(request.min_sequence)
        sequence = self._matching.applied_sequence()
        return users_pb2.GetBalancesResponse(
            account_id=account_id,
            balances=[_balance(*held) for held in self._matching.balances(account)],
            sequence=sequence,
        )

    async def ListLedger(
        self, request: users_pb2.ListLedgerRequest, call: Call
    ) -> users_pb2.ListLedgerResponse:
        account, _ = await self._readable.account(call, request.account_id)
        codes = self._matching.assets()
        if request.asset and request.asset not in codes:
            raise DomainError("NOT_FOUND", resource="asset", id=request.asset)
        asset = codes.index(request.asset) + 1 if request.asset else None
        after = self._pager.after(request, request.page_token, caller=call.caller.user_id)
        before = (int(after[0]), int(after[1])) if after else None
        limit = page_size(request.page_size)
        await self._matching.caught_up()
        rows, sequence = await self._history.read(
            lambda tx: store.ledger_page(tx, account, asset=asset, before=before, limit=limit + 1),
            expected=self._matching.applied_sequence(),
            required=request.min_sequence,
        )
        reply = users_pb2.ListLedgerResponse(sequence=sequence)
        for row in rows[:limit]:
            code = codes[row.asset - 1]
            scale = rules.scale_of(code)
            reply.entries.add(
                entry_id=f"{row.sequence}-{row.position}",
                sequence=row.sequence,
                asset=code,
                kind=row.kind,
                total_change=rules.decimal(row.total_change, scale, scale),
                held_change=rules.decimal(row.held_change, scale, scale),
                total=rules.decimal(row.total, scale, scale),
                held=rules.decimal(row.held, scale, scale),
                reference=str(row.reference),
                post_time=timestamp(row.post_time_ns),
            )
        if len(rows) > limit:
            last = rows[limit - 1]
            place = (last.sequence, last.position)
            reply.next_page_token = self._pager.token(request, place, caller=call.caller.user_id)
        return reply

    async def Deposit(
        self, request: users_pb2.DepositRequest, call: Call
    ) -> users_pb2.DepositResponse:
        if not self._takes_test_deposits:
            raise DomainError("UNIMPLEMENTED_IN_MODE", method=call.method.full_name)
        self._check_cash(request.asset)

        def render(moved: Moved) -> users_pb2.DepositResponse:
            return users_pb2.DepositResponse(balance=_moved(moved), sequence=moved.sequence)

        minor = minor_units(request.amount, request.asset)
        key = call.idempotency_key or ""
        return await self._funds.bring_in(
            call.caller.user_id, own_account(call), request.asset, minor, key, call.effect(render)
        )

    async def Withdraw(
        self, request: users_pb2.WithdrawRequest, call: Call
    ) -> users_pb2.WithdrawResponse:
        own_account(call)
        self._check_cash(request.asset)

        def render(moved: Moved) -> users_pb2.WithdrawResponse:
            return users_pb2.WithdrawResponse(balance=_moved(moved), sequence=moved.sequence)

        minor = minor_units(request.amount, request.asset)
        key = call.idempotency_key or ""
        return await self._funds.take_out(
            call.caller.user_id, request.asset, minor, key, call.effect(render)
        )

    def _check_cash(self, asset: str) -> None:
        if asset not in self._matching.assets():
            raise DomainError("NOT_FOUND", resource="asset", id=asset)
        if not rules.is_cash(asset):
            raise invalid("asset", "must be a currency; goods go in and out by warehouse receipts")


def _moved(moved: Moved) -> users_pb2.AssetBalance:
    return _balance(moved.asset, moved.total_minor, moved.held_minor)


def _balance(asset: str, total: int, held: int) -> users_pb2.AssetBalance:
    scale = rules.scale_of(asset)
    return users_pb2.AssetBalance(
        asset=asset,
        total=rules.decimal(total, scale, scale),
        held=rules.decimal(held, scale, scale),
        available=rules.decimal(total - held, scale, scale),
    )
