"""Money of contracts: deposits and payments between accounts of the core, each moved once.

A transfer is a row, asked for in the transaction that makes it necessary. It is carried out in two
commands of the core, take and give, each under an idempotency key of the transfer: a process that
dies in between goes on where it was, and nothing is taken or given twice.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection

from farmgate.contracts import store
from farmgate.contracts.steps import Steps
from farmgate.contracts.values import Contract, Transfer
from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.ports.matching import Matching
from farmgate.ports.matching_shapes import Switch
from farmgate.telemetry.logs import logger
from farmgate.trading.facade import OWN_OWNER

# Accounts of the exchange itself, and what names them in the core as a ULID names a user's.
ESCROW: Final = 0
FEES: Final = -1
_OWN_IDS: Final = {ESCROW: b"farmgate escrow\x00", FEES: b"farmgate fees\x00\x00\x00"}
_AT_ONCE: Final = 50
_RETRY: Final = timedelta(seconds=5)
DEPOSIT_SELLER: Final = "DEPOSIT_SELLER"
DEPOSIT_BUYER: Final = "DEPOSIT_BUYER"
RETURN_SELLER: Final = "RETURN_SELLER"
RETURN_BUYER: Final = "RETURN_BUYER"
PAYMENT: Final = "PAYMENT"
DEPOSIT_TAKEN_OVER: Final = "DEPOSIT_TAKEN_OVER"
FORFEIT: Final = "FORFEIT"
FORFEIT_FEE: Final = "FORFEIT_FEE"
LIABILITY: Final = "LIABILITY"
LIABILITY_FEE: Final = "LIABILITY_FEE"
_RECEIVABLES: Final = frozenset({LIABILITY, LIABILITY_FEE, DEPOSIT_TAKEN_OVER})
_log = logger(__name__)

# Hears, in the transaction, that a transfer is done.
Done = Callable[[Connection, Transfer], None]


def ask(
    connection: Connection, steps: Steps, contract: Contract, kind: str, *, source: int,
    target: int, amount_minor: int, reference: str = "",
) -> None:  # fmt: skip
    """Asks for a transfer, once of its kind and reference; nothing is asked for no money."""
    if amount_minor <= 0:
        return
    transfer = Transfer(
        steps.ids.ulid(), contract.id, kind, reference, source, target,
        contract.message().price.currency, amount_minor, "QUEUED", 0, "", steps.clock.now(),
    )  # fmt: skip
    store.add_transfer(connection, transfer)


def ask_deposits(connection: Connection, steps: Steps, contract: Contract) -> None:
    """Asks both parties for their deposits."""
    seller, buyer = accounts(connection, steps, contract)
    ask(
        connection, steps, contract, DEPOSIT_SELLER, source=seller, target=ESCROW,
        amount_minor=contract.seller_deposit_minor,
    )  # fmt: skip
    ask(
        connection, steps, contract, DEPOSIT_BUYER, source=buyer, target=ESCROW,
        amount_minor=contract.buyer_deposit_minor,
    )  # fmt: skip


def return_deposits(connection: Connection, steps: Steps, contract: Contract) -> Contract:
    """Asks for the return of what is held; deposits that have not come are not waited for."""
    seller, buyer = accounts(connection, steps, contract)
    for transfer in store.transfers_of(connection, contract.id):
        is_open = transfer.state == "QUEUED" and transfer.kind in {DEPOSIT_SELLER, DEPOSIT_BUYER}
        if is_open:
            store.put_transfer(connection, replace(transfer, state="DROPPED", due_at=None))
    ask(
        connection, steps, contract, RETURN_SELLER, source=ESCROW, target=seller,
        amount_minor=contract.seller_held_minor,
    )  # fmt: skip
    ask(
        connection, steps, contract, RETURN_BUYER, source=ESCROW, target=buyer,
        amount_minor=contract.buyer_held_minor,
    )  # fmt: skip
    return contract


def accounts(connection: Connection, steps: Steps, contract: Contract) -> tuple[int, int]:
    """Returns the numbers of the parties' accounts in the core.

    Raises:
        DomainError: ACCOUNT_UNKNOWN while one is not open yet.
    """
    numbers = [steps.user(connection, one).account_number for one in contract.party_ids]
    seller, buyer = numbers
    if seller is None or buyer is None:
        raise DomainError("ACCOUNT_UNKNOWN")
    return seller, buyer


class Mover:
    """Carries transfers out.

    Args:
        database: Where they are kept.
        steps: Tells the time.
        matching: The core.
        done: Hears of transfers that are done.
    """

    def __init__(self, database: Database, steps: Steps, matching: Matching, done: Done) -> None:
        self._database = database
        self._steps = steps
        self._matching = matching
        self._done = done
        self._own: dict[int, int] = {}

    async def run(self) -> None:
        """Works on every transfer that is due."""
        now = self._steps.clock.now()
        due = await self._database.read(lambda tx: store.transfers_due(tx, now, _AT_ONCE))
        for transfer in due:
            await self._move(transfer)

    async def _move(self, transfer: Transfer) -> None:
        try:
            if transfer.state == "QUEUED":
                source = await self._account(transfer.from_account)
                await self._transfer(source, transfer, -transfer.amount_minor, b"/take")
                transfer = replace(transfer, state="TAKEN")
                await self._keep(transfer)
            target = await self._account(transfer.to_account)
            await self._transfer(target, transfer, transfer.amount_minor, b"/give")
        except DomainError as error:
            later = self._steps.clock.now() + _RETRY
            changed = replace(
                transfer, attempts=transfer.attempts + 1, refusal=error.reason, due_at=later
            )
            await self._keep(changed)
            await self._restrict(transfer, is_on=True)
            if error.reason != "INSUFFICIENT_FUNDS":
                _log.warning("transfer waits", transfer=transfer.id, reason=error.reason)
            return
        finished = replace(transfer, state="DONE", refusal="", due_at=None)

        def finish(connection: Connection) -> None:
            store.put_transfer(connection, finished)
            self._done(connection, finished)

        await self._database.write(finish)
        if transfer.attempts:
            await self._restrict(transfer, is_on=False)

    async def _restrict(self, transfer: Transfer, *, is_on: bool) -> None:
        """Keeps who owes for a default or for a place from new orders until all is paid."""
        if transfer.kind not in _RECEIVABLES or (is_on and transfer.state == "TAKEN"):
            return
        account = transfer.from_account
        owes = await self._database.read(lambda tx: store.owes(tx, account, _RECEIVABLES))
        if is_on or not owes:
            await self._matching.set_switch(account, Switch.RESTRICTED, is_on=is_on)

    async def _keep(self, transfer: Transfer) -> None:
        def write(connection: Connection) -> None:
            there = store.transfer(connection, transfer.id)
            # One that was dropped meanwhile, before anything was taken, stays so.
            if there is not None and not (there.state == "DROPPED" and transfer.state == "QUEUED"):
                store.put_transfer(connection, transfer)

        await self._database.write(write)

    async def _transfer(
        self, account: int, transfer: Transfer, amount_minor: int, part: bytes
    ) -> None:
        codes = self._matching.assets()
        if transfer.asset not in codes:
            raise DomainError("NOT_FOUND", resource="asset", id=transfer.asset)
        number = codes.index(transfer.asset) + 1
        key = transfer.id.encode() + part
        await self._matching.transfer(account, number, amount_minor, key)

    async def _account(self, number: int) -> int:
        if number not in _OWN_IDS:
            return number
        if number not in self._own:
            self._own[number] = await self._matching.open_account(
                _OWN_IDS[number], owner=OWN_OWNER, max_open_orders=1
            )
        return self._own[number]
