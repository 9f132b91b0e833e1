"""Use cases of drafts: writing, submitting, answering, withdrawing."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import Connection

from farmgate.blockchain.facade import Library, keccak256
from farmgate.contracts import store, templates, terms
from farmgate.contracts.prices import Prices, worth
from farmgate.contracts.rules import deposit
from farmgate.contracts.steps import Actor, Steps, View, other
from farmgate.contracts.terms import Terms
from farmgate.contracts.values import (
    BUYER,
    DRAFT,
    PENDING,
    SELLER,
    Contract,
)
from farmgate.db import configuration
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid
from farmgate.market import store as market
from farmgate.ports.unixfs import cid_of
from farmgate.users.facade import User, Users

M = TypeVar("M", bound=Serializable)
_TRADING_ROLES = frozenset({"FARMER", "TRADER", "COOP_MANAGER"})
_LEVEL_MIN = 2
_SIGN_AT_LEAST = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class NewContract:
    """What a draft begins with; terms win over copy, copy over template."""

    party: int
    counterparty_id: str
    template_code: str
    copy_of: str
    terms: Terms


class Negotiation:
    """Writes drafts and brings them to signature.

    Args:
        database: Where contracts are kept.
        steps: Makes steps.
        library: Keeps the canonical terms.
        market: Says what a unit is worth, for deposits of contracts that have no price yet.
    """

    def __init__(self, database: Database, steps: Steps, library: Library, market: Prices) -> None:
        self._database = database
        self._steps = steps
        self._library = library
        self._market = market

    async def create(self, actor: Actor, new: NewContract, effect: Effect[View, M]) -> M:
        """Drafts a contract.

        Raises:
            DomainError: SAME_PARTY, COUNTERPARTY_INELIGIBLE, TEMPLATE_UNKNOWN, NOT_A_PARTY,
                INVALID_ARGUMENT or RESOURCE_STATE while contracts are switched off.
        """
        if new.party not in {SELLER, BUYER}:
            raise invalid("own_party", "must be seller or buyer")
        if new.counterparty_id == actor.user_id:
            raise DomainError("SAME_PARTY")

        def write(connection: Connection) -> None:
            now = self._steps.clock.now()
            values = configuration.current(connection, now)
            if not values.flag("contracts.enabled"):
                raise DomainError(
                    "RESOURCE_STATE", resource="setting", id="contracts.enabled", state="off",
                    action="drafting",
                )  # fmt: skip
            self._check_counterparty(connection, new.counterparty_id)
            stated = Terms()
            if new.template_code:
                stated.MergeFrom(templates.template(new.template_code).terms)
            if new.copy_of:
                stated.MergeFrom(self._steps.found(connection, new.copy_of, actor).message())
                stated.ClearField("sign_by")
            stated.MergeFrom(new.terms)
            parties = (actor.user_id, new.counterparty_id)
            seller, buyer = parties if new.party == SELLER else parties[::-1]
            self._check(connection, stated, seller)
            contract = Contract(
                id=self._steps.ids.ulid(), number=store.next_number(connection), version=1,
                revision=1, state=DRAFT, template_code=new.template_code, seller_id=seller,
                buyer_id=buyer, seller_wallet="", buyer_wallet="", creator=new.party,
                terms=stated.SerializeToString(), canonical="", terms_hash="", terms_cid="",
                commodity_code=stated.commodity_code, origin_farm_id=stated.origin_farm_id,
                quantity=stated.quantity, delivered_quantity="0", priced_quantity="0",
                delivery_start=stated.delivery.start, delivery_end=stated.delivery.end,
                sign_by=None, signed_at=None, chain_status="NONE", transaction_hash="",
                block_number=0, seller_deposit_minor=0, buyer_deposit_minor=0, seller_held_minor=0,
                buyer_held_minor=0, settle_agreed=0, cancel_agreed=0, is_closed_short=False,
                cancel_reason="", cancelled_at=None, created_at=now, updated_at=now,
            )  # fmt: skip
            store.insert_contract(connection, contract)
            detail = {"summary": _summary(stated)}
            self._steps.note(connection, contract, "contract.drafted", actor, now, detail, ())
            effect.record(
                connection, self._steps.view(connection, contract),
                resource=f"contract/{contract.id}",
            )  # fmt: skip

        await self._database.write(write)
        return effect.reply

    async def update(
        self, actor: Actor, contract_id: str, wanted: Terms, mask: FieldMask, expected: int,
        effect: Effect[View, M],
    ) -> M:  # fmt: skip
        """Changes a draft, by whoever wrote it.

        Raises:
            DomainError: NOT_A_PARTY, CONTRACT_STATE, VERSION_CONFLICT, PERMISSION_DENIED or
                INVALID_ARGUMENT.
        """

        def write(connection: Connection) -> None:
            contract, party = self._steps.own(
                connection, contract_id, actor, "update", (DRAFT,), expected
            )
            if party != contract.creator:
                raise DomainError("PERMISSION_DENIED")
            changed = self._rewritten(connection, contract, wanted, mask, actor, party)
            effect.record(
                connection,
                self._steps.view(connection, changed),
                resource=f"contract/{contract_id}",
            )

        await self._database.write(write)
        return effect.reply

    async def counter(
        self, actor: Actor, contract_id: str, wanted: Terms, mask: FieldMask, note: str,
        expected: int, effect: Effect[View, M],
    ) -> M:  # fmt: skip
        """Answers with other terms: a new draft of the other party; what was signed is void.

        Raises:
            DomainError: As `update`.
        """

        def write(connection: Connection) -> None:
            contract, party = self._steps.own(
                connection, contract_id, actor, "counter", (PENDING,), expected
            )
            if party == contract.creator:
                raise DomainError("PERMISSION_DENIED")
            changed = self._rewritten(
                connection, contract, wanted, mask, actor, party, note=note, state=DRAFT,
                canonical="", terms_hash="", terms_cid="", sign_by=None, creator=party,
            )  # fmt: skip
            effect.record(
                connection,
                self._steps.view(connection, changed),
                resource=f"contract/{contract_id}",
            )

        await self._database.write(write)
        return effect.reply

    async def submit(
        self, actor: Actor, contract_id: str, expected: int, effect: Effect[View, M]
    ) -> M:
        """Opens a complete draft for signatures.

        Raises:
            DomainError: CONTRACT_INCOMPLETE, COUNTERPARTY_INELIGIBLE, KYC_LIMIT_EXCEEDED,
                NO_LIQUIDITY without a price, CONTRACT_STATE, NOT_A_PARTY, VERSION_CONFLICT or
                INVALID_ARGUMENT.
        """

        def write(connection: Connection) -> None:
            contract, party = self._steps.own(
                connection, contract_id, actor, "submit", (DRAFT,), expected
            )
            if party != contract.creator:
                raise DomainError("PERMISSION_DENIED")
            changed = self._submitted(connection, contract, actor, party)
            effect.record(
                connection,
                self._steps.view(connection, changed),
                resource=f"contract/{contract_id}",
            )

        await self._database.write(write)
        return effect.reply

    def _rewritten(
        self, connection: Connection, contract: Contract, wanted: Terms, mask: FieldMask,
        actor: Actor, party: int, *, note: str = "", **changes: object,
    ) -> Contract:  # fmt: skip
        if not mask.paths or not mask.IsValidForDescriptor(Terms.DESCRIPTOR):
            raise invalid("update_mask", "must name terms, such as price.fixed_price")
        stated = contract.message()
        mask.MergeMessage(wanted, stated, replace_message_field=True, replace_repeated_field=True)
        self._check(connection, stated, contract.seller_id)
        is_counter = contract.state == PENDING
        return self._steps.step(
            connection, contract, "contract.countered" if is_counter else "contract.updated", actor,
            detail={"fields": sorted(mask.paths), "note": note},
            tells=(other(party),) if is_counter else (),
            version=contract.version + 1,
            terms=stated.SerializeToString(),
            commodity_code=stated.commodity_code,
            origin_farm_id=stated.origin_farm_id,
            quantity=stated.quantity,
            delivery_start=stated.delivery.start,
            delivery_end=stated.delivery.end,
            **changes,
        )  # fmt: skip

    def _submitted(
        self, connection: Connection, contract: Contract, actor: Actor, party: int
    ) -> Contract:
        now = self._steps.clock.now()
        values = configuration.current(connection, now)
        stated = contract.message()
        if not stated.tolerance_pct:
            stated.tolerance_pct = f"{values.decimal('contracts.tolerance_pct'):f}"
        if lacking := terms.missing(stated):
            raise DomainError("CONTRACT_INCOMPLETE", fields=", ".join(lacking))
        self._check(connection, stated, contract.seller_id)
        seller = self._check_counterparty(connection, contract.seller_id)
        buyer = self._check_counterparty(connection, contract.buyer_id)
        for user, name in ((seller, "seller"), (buyer, "buyer")):
            if not user.wallet_address:
                raise DomainError("CONTRACT_INCOMPLETE", fields=f"wallet of the {name}")
        sign_by = _sign_by(stated, now, values)
        last = terms.day("delivery.end", stated.delivery.end)
        assert last is not None, "It is stated."
        if last < sign_by.date():
            raise invalid("sign_by", "must not be after delivery.end")
        notional = worth(connection, stated, self._market)
        check_limit(values, notional, stated.price.currency, (seller, buyer))
        text = terms.canonical(stated, contract.id, contract.version)
        data = text.encode()
        # The bytes are kept before the row that names them; without it they are swept.
        prepared = self._library.prepare_for_parties(data, media_type="application/json")
        self._library.record(connection, prepared, contract_id=contract.id)
        buyer_pct = _pct(stated.deposit.buyer_pct, values, "contracts.buyer_deposit_pct")
        seller_pct = _pct(stated.deposit.seller_pct, values, "contracts.seller_deposit_pct")
        return self._steps.step(
            connection, contract, "contract.signature_required", actor,
            detail={
                "sign_by": sign_by.isoformat(), "summary": _summary(stated),
                "terms_cid": prepared.cid,
            },
            tells=(other(party),),
            state=PENDING,
            terms=stated.SerializeToString(),
            canonical=text,
            terms_hash=f"0x{keccak256(data).hex()}",
            terms_cid=cid_of(data),
            seller_wallet=seller.wallet_address,
            buyer_wallet=buyer.wallet_address,
            sign_by=sign_by,
            buyer_deposit_minor=deposit(notional, buyer_pct),
            seller_deposit_minor=deposit(notional, seller_pct),
        )  # fmt: skip

    def _check(self, connection: Connection, stated: Terms, seller_id: str) -> None:
        terms.check(stated)
        code = stated.commodity_code
        if code and market.commodity(connection, code) is None:
            raise DomainError("NOT_FOUND", resource="commodity", id=code)
        check_farm(connection, self._steps.users, stated.origin_farm_id, seller_id)

    def _check_counterparty(self, connection: Connection, user_id: str) -> User:
        return eligible(self._steps.users.by_id(connection, user_id))


def check_farm(connection: Connection, users: Users, farm_id: str, seller_id: str) -> None:
    """Checks that a seller may promise what a farm grows.

    Else anybody could bind somebody else's farm, and see whether there is one.

    Raises:
        DomainError: NOT_FOUND.
    """
    if farm_id and not users.may_promise(connection, seller_id, farm_id):
        raise DomainError("NOT_FOUND", resource="farm", id=farm_id)


def eligible(user: User | None) -> User:
    """Returns a user who may be a party.

    Raises:
        DomainError: COUNTERPARTY_INELIGIBLE, also when there is none.
    """
    is_fit = (
        user is not None
        and user.status == "ACTIVE"
        and user.role in _TRADING_ROLES
        and user.kyc_level >= _LEVEL_MIN
    )
    if not is_fit or user is None:
        raise DomainError("COUNTERPARTY_INELIGIBLE")
    return user


def check_limit(
    values: configuration.Values, notional: Decimal, currency: str, people: Iterable[User]
) -> None:
    """Refuses a contract above what people of the lowest level may agree on.

    Raises:
        DomainError: KYC_LIMIT_EXCEEDED.
    """
    limit = values.decimal("kyc.level2_contract")
    if min(one.kyc_level for one in people) == _LEVEL_MIN and notional > limit:
        raise DomainError("KYC_LIMIT_EXCEEDED", limit=f"{limit:f} {currency}")


def _sign_by(stated: Terms, now: datetime, values: configuration.Values) -> datetime:
    if not stated.HasField("sign_by"):
        hours = values.integer("contracts.sign_by_default_h")
        return (now + timedelta(hours=hours)).replace(microsecond=0)
    found = stated.sign_by.ToDatetime(tzinfo=UTC).replace(microsecond=0)
    latest = now + timedelta(days=values.integer("contracts.sign_by_max_d"))
    if not now + _SIGN_AT_LEAST <= found <= latest:
        raise invalid("sign_by", f"must be in an hour or later, and by {latest.isoformat()}")
    return found


def _pct(text: str, values: configuration.Values, key: str) -> Decimal:
    return Decimal(text) if text else values.decimal(key)


def _summary(stated: Terms) -> str:
    parts = (
        stated.quantity, stated.unit, stated.commodity_code, stated.price.fixed_price,
        stated.price.currency,
    )  # fmt: skip
    return " ".join(part for part in parts if part)
