"""Use cases of defaults and washouts: declaring, choosing a remedy, closing at the market."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import Connection

from farmgate.api.contracts.v1 import (
    amendments_pb2,
    contract_terms_pb2,
    dispute_types_pb2,
    remedies_pb2,
)
from farmgate.contracts import matter_store, matters, prices, store, terms
from farmgate.contracts.amending import Proposal
from farmgate.contracts.amendments import Amendments
from farmgate.contracts.closing import Cause, Closing
from farmgate.contracts.prices import Prices, is_priced
from farmgate.contracts.rules import Liability, business_days, cents, least, liability
from farmgate.contracts.steps import SYSTEM, Actor, Steps, View, other
from farmgate.contracts.values import (
    ACTIVE,
    AMENDMENT,
    BUYER,
    DEFAULT,
    DISPUTE,
    FORCE_MAJEURE,
    SELLER,
    WASHOUT,
    Contract,
    Matter,
)
from farmgate.db import configuration
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid

M = TypeVar("M", bound=Serializable)
Evidence = Sequence[dispute_types_pb2.Evidence]
Declared = remedies_pb2.DeclareDefaultRequest
EXTEND: Final = remedies_pb2.REMEDY_EXTEND
BUY_IN: Final = remedies_pb2.REMEDY_BUY_IN
AT_MARKET: Final = remedies_pb2.REMEDY_CANCEL_AT_MARKET
_CHOOSE_DAYS: Final = 2
_REASONS: Final = {SELLER: "SELLER_DEFAULT", BUYER: "BUYER_DEFAULT"}
_TWO_WAY: Final = contract_terms_pb2.MARKET_DIFFERENCE_TWO_WAY
_BY_NAME: Final = {
    "ONE_WAY": contract_terms_pb2.MARKET_DIFFERENCE_ONE_WAY, "TWO_WAY": _TWO_WAY,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the party that keeps the contract chooses."""

    remedy: int
    price: str
    evidence: Evidence
    new_end: str
    expected: int


class Remedies:
    """Ends contracts that a party does not keep.

    Args:
        database: Where they are kept.
        steps: Makes steps.
        closing: Ends them.
        amendments: Proposes longer windows.
        market: Says what the goods are worth.
    """

    def __init__(
        self, database: Database, steps: Steps, closing: Closing, amendments: Amendments,
        market: Prices,
    ) -> None:  # fmt: skip
        self._database = database
        self._steps = steps
        self._closing = closing
        self._amendments = amendments
        self._market = market

    async def declare(
        self, actor: Actor, contract_id: str, declared: Declared,
        effect: Effect[tuple[View, Matter], M],
    ) -> M:  # fmt: skip
        """Declares a default: the own one, or the other party's once the window is over.

        Raises:
            DomainError: NOT_A_PARTY, CONTRACT_STATE, VERSION_CONFLICT, OPEN_DISPUTE,
                OPEN_AMENDMENT, FM_SUSPENDED, NOT_PRICED, RESOURCE_STATE or INVALID_ARGUMENT.
        """

        def write(connection: Connection) -> None:
            contract, party = self._steps.own(
                connection, contract_id, actor, "a default", (ACTIVE,), declared.expected_version
            )
            side = int(declared.defaulting_party)
            if side not in {SELLER, BUYER}:
                raise invalid("defaulting_party", "must be the seller or the buyer")
            self._check_default(connection, contract, party, side)
            now = self._steps.clock.now()
            choose_by = business_days(now, _CHOOSE_DAYS)
            made = Matter(
                self._steps.ids.ulid(), contract_id, DEFAULT, "DECLARED",
                declared.SerializeToString(), due_at=choose_by,
            )  # fmt: skip
            matter_store.put_matter(connection, made, is_new=True)
            detail = {"default_id": made.id, "side": side, "choose_by": choose_by.isoformat()}
            changed = self._steps.step(
                connection, contract, "default.declared", actor, detail=detail
            )
            view = self._steps.view(connection, changed)
            effect.record(connection, (view, made), resource=f"contract/{contract_id}")

        await self._database.write(write)
        return effect.reply

    async def choose(
        self, actor: Actor, contract_id: str, chosen: Chosen,
        effect: Effect[tuple[View, str], M],
    ) -> M:  # fmt: skip
        """Chooses what follows a default, as the party that keeps the contract.

        A longer window is proposed as an amendment; what was bought elsewhere ends the contract at
        that price now; the market's price is that of the close of the next business day.

        Raises:
            DomainError: NOT_A_PARTY, CONTRACT_STATE, VERSION_CONFLICT, PERMISSION_DENIED,
                RESOURCE_STATE, OPEN_DISPUTE or INVALID_ARGUMENT.
        """

        def write(connection: Connection) -> None:
            contract, party = self._steps.own(
                connection, contract_id, actor, "a remedy", (ACTIVE,), chosen.expected
            )
            found = self._default(connection, contract)
            matters.refuse_while(connection, contract, "a remedy", {DISPUTE, AMENDMENT})
            if party == Declared.FromString(found.document).defaulting_party:
                raise DomainError("PERMISSION_DENIED")
            changed, owed = self._chosen(connection, contract, actor, party, found, chosen)
            view = self._steps.view(connection, changed)
            effect.record(connection, (view, owed), resource=f"contract/{contract_id}")

        await self._database.write(write)
        return effect.reply

    async def propose_washout(
        self, actor: Actor, contract_id: str, price: str, note: str, expected: int,
        effect: Effect[Matter, M],
    ) -> M:  # fmt: skip
        """Proposes to end a contract at a price, whoever gains of it being paid by the other.

        Raises:
            DomainError: NOT_A_PARTY, CONTRACT_STATE, VERSION_CONFLICT, OPEN_DISPUTE,
                OPEN_AMENDMENT, NOT_PRICED, RESOURCE_STATE or INVALID_ARGUMENT.
        """

        def write(connection: Connection) -> None:
            contract, party = self._steps.own(
                connection, contract_id, actor, "a washout", (ACTIVE,), expected
            )
            if Decimal(price) <= 0:
                raise invalid("price", "must be more than 0")
            self._check_short(connection, contract, "a washout", {WASHOUT})
            left = Decimal(contract.quantity) - contract.delivered
            agreed = prices.agreed(connection, contract, Decimal(price))
            amount = cents((Decimal(price) - agreed) * left)
            now = self._steps.clock.now()
            hours = configuration.current(connection, now).integer("contracts.sign_by_default_h")
            until = now + timedelta(hours=hours)
            payer = SELLER if amount > 0 else BUYER if amount < 0 else 0
            message = remedies_pb2.Washout(
                washout_id=self._steps.ids.ulid(),
                contract_id=contract_id,
                proposed_by=party,  # type: ignore[arg-type] # The number of a side.
                quantity=f"{left:f}",
                price=price,
                amount=f"{abs(amount):.2f}",
                paying_party=payer,  # type: ignore[arg-type] # The number of a side.
            )
            message.expire_time.FromDatetime(until)
            made = Matter(
                message.washout_id, contract_id, WASHOUT, "PROPOSED", message.SerializeToString(),
                due_at=until,
            )  # fmt: skip
            matter_store.put_matter(connection, made, is_new=True)
            detail = {"washout_id": made.id, "price": price, "amount": message.amount, "note": note}
            self._steps.step(
                connection, contract, "washout.proposed", actor, detail=detail,
                tells=(other(party),),
            )  # fmt: skip
            effect.record(connection, made, resource=f"contract/{contract_id}")

        await self._database.write(write)
        return effect.reply

    async def accept_washout(
        self, actor: Actor, contract_id: str, washout_id: str,
        effect: Effect[tuple[View, Matter], M],
    ) -> M:  # fmt: skip
        """Accepts a washout, as the other party; the contract then ends.

        Raises:
            DomainError: NOT_A_PARTY, CONTRACT_STATE, NOT_FOUND, PERMISSION_DENIED, OPEN_DISPUTE,
                OPEN_AMENDMENT or RESOURCE_STATE.
        """

        def write(connection: Connection) -> None:
            contract, party = self._steps.own(
                connection, contract_id, actor, "a washout", (ACTIVE,)
            )
            found = matters.found(connection, contract_id, WASHOUT, washout_id)
            message = remedies_pb2.Washout.FromString(found.document)
            if message.proposed_by == party:
                raise DomainError("PERMISSION_DENIED")
            matters.require(found, "accepting", ("PROPOSED",))
            self._check_short(connection, contract, "a washout", ())
            left = Decimal(contract.quantity) - contract.delivered
            if Decimal(message.quantity) != left:
                raise DomainError(
                    "RESOURCE_STATE", resource="washout", id=washout_id,
                    state=f"over {message.quantity}, while {left:f} are open", action="accepting",
                )  # fmt: skip
            message.is_accepted = True
            changed = matters.change(connection, found, "ACCEPTED", message.SerializeToString())
            cause = Cause(
                "WASHOUT", int(message.paying_party),
                Liability(Decimal(message.amount), Decimal(0)), price=message.price,
                day=self._steps.clock.now().date().isoformat(),
            )  # fmt: skip
            closed = self._closing.close(connection, contract, actor, cause)
            view = self._steps.view(connection, closed)
            effect.record(connection, (view, changed), resource=f"contract/{contract_id}")

        await self._database.write(write)
        return effect.reply

    def close_due(self, connection: Connection, now: datetime) -> None:
        """Ends defaults at the market: when it was chosen, or when nothing was in time."""
        for one in matter_store.matters_due(connection, (WASHOUT,), now):
            matters.change(connection, one, "EXPIRED")
        for one in matter_store.matters_due(connection, (DEFAULT,), now):
            contract = store.contract(connection, one.contract_id)
            assert contract is not None, "Contracts are kept."
            if one.state == "DECLARED" and one.due_at is not None:
                # Nobody chose: the market's price of the next business day it is.
                matters.change(connection, one, "CHOSEN", due_at=_close_of_next(one.due_at))
                continue
            if not self._closing.is_possible(connection, contract):
                continue
            assert one.due_at is not None, "It waits for a close."
            # The day that had ended then, however late it is now.
            day = one.due_at.astimezone(UTC).date() - timedelta(days=1)
            price = prices.reference(connection, contract, self._market, day)
            if price is not None:
                self._close(connection, contract, SYSTEM, one, price, day, bytes(32))

    def _chosen(
        self, connection: Connection, contract: Contract, actor: Actor, party: int, found: Matter,
        chosen: Chosen,
    ) -> tuple[Contract, str]:  # fmt: skip
        if chosen.remedy == EXTEND:
            new_end = terms.day("new_delivery_end", chosen.new_end)
            if new_end is None or chosen.new_end <= contract.delivery_end:
                raise invalid("new_delivery_end", "must be after the end of the window")
            # The amendment's refusals go before the default is taken back.
            matters.change(connection, found, "DONE")
            stated = terms.Terms()
            stated.delivery.end = chosen.new_end
            mask = FieldMask(paths=["delivery.end"])
            proposal = Proposal(amendments_pb2.AMENDMENT_KIND_WINDOW, stated, mask)
            self._amendments.proposed(connection, contract, actor, party, proposal)
            changed = store.contract(connection, contract.id)
            assert changed is not None, "Contracts are kept."
            return changed, ""
        if chosen.remedy == BUY_IN:
            if not chosen.price or Decimal(chosen.price) <= 0 or not chosen.evidence:
                raise invalid("buy_in_price", "must be more than 0, with evidence of it")
            evidence = matters.evidence_hash(chosen.evidence)
            price = Decimal(chosen.price)
            if not self._closing.is_possible(connection, contract):
                raise DomainError("NOT_PRICED")
            today = self._steps.clock.now().astimezone(UTC).date()
            return self._close(connection, contract, actor, found, price, today, evidence)
        due = _close_of_next(self._steps.clock.now())
        matters.change(connection, found, "CHOSEN", due_at=due)
        detail = {"remedy": remedies_pb2.Remedy.Name(chosen.remedy), "close": due.isoformat()}  # type: ignore[arg-type] # The API's number.
        changed = self._steps.step(
            connection, contract, "default.remedy_chosen", actor, detail=detail
        )
        return changed, ""

    def _close(
        self, connection: Connection, contract: Contract, actor: Actor, found: Matter,
        price: Decimal, day: date, evidence: bytes,
    ) -> tuple[Contract, str]:  # fmt: skip
        side = int(Declared.FromString(found.document).defaulting_party)
        owed = self._owed(connection, contract, side, price)
        cause = Cause(
            _REASONS[side], side, owed, takes_deposit=True, price=f"{price:f}",
            day=day.isoformat(), evidence_hash=evidence,
        )  # fmt: skip
        return self._closing.close(connection, contract, actor, cause), f"{owed.total:.2f}"

    def _owed(
        self, connection: Connection, contract: Contract, side: int, price: Decimal
    ) -> Liability:
        policy = contract.message().default_policy
        values = configuration.current(connection, self._steps.clock.now())
        usual = values.version("contracts.market_difference").value
        is_two_way = (policy.market_difference or _BY_NAME[usual]) == _TWO_WAY
        return liability(
            prices.agreed(connection, contract, price), price,
            Decimal(contract.quantity) - contract.delivered,
            is_seller=side == SELLER, is_one_way=not is_two_way,
            admin_fee_bps=Decimal(policy.admin_fee_bps or "0"),
        )  # fmt: skip

    def _check_default(
        self, connection: Connection, contract: Contract, party: int, side: int
    ) -> None:
        self._check_short(connection, contract, "a default", {FORCE_MAJEURE, DEFAULT})
        # A notice of the own inability may come any time, and so may an operator's.
        if party not in {0, side}:
            end = matters.last_day(connection, contract)
            if self._steps.clock.now() < end:
                raise DomainError(
                    "RESOURCE_STATE", resource="contract", id=contract.label,
                    state=f"to be delivered until {end.isoformat()}", action="a default",
                )  # fmt: skip

    def _check_short(
        self,
        connection: Connection,
        contract: Contract,
        action: str,
        kinds: Collection[str],
    ) -> None:
        """Refuses what ends a contract short when it is not short, or something else is open."""
        matters.refuse_while(connection, contract, action, {DISPUTE, AMENDMENT, *kinds})
        stated = contract.message()
        wanted = least(Decimal(stated.quantity), Decimal(stated.tolerance_pct or "0"))
        if contract.settle_agreed or contract.delivered >= wanted:
            raise DomainError(
                "RESOURCE_STATE", resource="contract", id=contract.label,
                state="delivered or being settled", action=action,
            )  # fmt: skip
        if contract.delivered > 0 and not is_priced(contract):
            raise DomainError("NOT_PRICED")

    def _default(self, connection: Connection, contract: Contract) -> Matter:
        """Returns the default whose remedy is to be chosen, or that the market has no price for."""
        for one in matter_store.open_matters(connection, contract.id):
            is_stuck = one.due_at is not None and one.due_at <= self._steps.clock.now()
            if one.kind == DEFAULT and (one.state == "DECLARED" or is_stuck):
                return one
        raise DomainError(
            "RESOURCE_STATE", resource="contract", id=contract.label,
            state="not in default, or its remedy was chosen", action="a remedy",
        )  # fmt: skip


def _close_of_next(now: datetime) -> datetime:
    """Returns when the next business day is over."""
    day = business_days(now, 1).astimezone(UTC)
    return day.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
