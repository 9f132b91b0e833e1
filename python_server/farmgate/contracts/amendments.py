"""Use cases of amendments: proposing, signing and rejecting other terms of a contract in force."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from sqlalchemy import Connection

from farmgate.api.contracts.v1 import amendments_pb2, contract_types_pb2
from farmgate.blockchain.facade import (
    ChainOperations,
    ContractWallets,
    Library,
    amendment,
    digest,
    typed_data,
)
from farmgate.contracts import matter_store, matters, money, store, terms
from farmgate.contracts.amending import (
    AMENDED,
    Kind,
    Proposal,
    amended_terms,
    as_amended,
    packed,
    side_of,
    state,
    unpacked,
    wallet_of,
)
from farmgate.contracts.negotiation import check_farm, check_limit, eligible
from farmgate.contracts.prices import Prices, open_legs, priced, worth
from farmgate.contracts.signing import Signed, judge
from farmgate.contracts.steps import SYSTEM, Actor, Steps, other
from farmgate.contracts.values import (
    ACTIVE,
    AMENDMENT,
    BUYER,
    DISPUTE,
    FIRM_OFFER,
    SELLER,
    Contract,
    Matter,
    Signature,
)
from farmgate.db import configuration
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid

M = TypeVar("M", bound=Serializable)
Message = amendments_pb2.Amendment
_SIGN_AT_LEAST: Final = timedelta(hours=1)


class Amendments:
    """Changes contracts in force.

    Args:
        database: Where contracts are kept.
        steps: Makes steps.
        operations: Asks the chain.
        wallets: Judges signatures of wallets that are contracts.
        library: Keeps the canonical terms.
        market: Says what changed terms are worth.
    """

    def __init__(
        self, database: Database, steps: Steps, operations: ChainOperations,
        wallets: ContractWallets, library: Library, market: Prices,
    ) -> None:  # fmt: skip
        self._database = database
        self._steps = steps
        self._operations = operations
        self._wallets = wallets
        self._library = library
        self._market = market

    async def propose(
        self, actor: Actor, contract_id: str, proposal: Proposal, effect: Effect[Matter, M]
    ) -> M:
        """Proposes a change, which holds once both have signed it.

        Raises:
            DomainError: NOT_A_PARTY, CONTRACT_STATE, VERSION_CONFLICT, OPEN_DISPUTE,
                OPEN_AMENDMENT, RESOURCE_STATE, ALREADY_PRICED, COUNTERPARTY_INELIGIBLE,
                CONTRACT_INCOMPLETE, KYC_LIMIT_EXCEEDED, NO_LIQUIDITY or INVALID_ARGUMENT.
        """

        def write(connection: Connection) -> None:
            contract, party = self._steps.own(
                connection, contract_id, actor, "amend", (ACTIVE,), proposal.expected
            )
            made = self.proposed(connection, contract, actor, party, proposal)
            effect.record(connection, made, resource=f"contract/{contract_id}")

        await self._database.write(write)
        return effect.reply

    def proposed(
        self, connection: Connection, contract: Contract, actor: Actor, party: int,
        proposal: Proposal,
    ) -> Matter:  # fmt: skip
        """Makes a proposal in the caller's transaction; as `propose`."""
        matters.refuse_while(connection, contract, "amending", {DISPUTE, AMENDMENT})
        statements = store.statements_of(connection, contract.id)
        if contract.settle_agreed or any(one.state == "ISSUED" for one in statements):
            raise state(contract, "being settled", "amending")
        now = self._steps.clock.now()
        sign_by = _sign_by(connection, now, proposal.sign_by)
        stated = amended_terms(connection, contract, proposal)
        if stated.origin_farm_id != contract.origin_farm_id:
            seller_id = contract.seller_id
            check_farm(connection, self._steps.users, stated.origin_farm_id, seller_id)
        wanted = as_amended(contract, stated, sign_by)
        if proposal.kind == amendments_pb2.AMENDMENT_KIND_ASSIGNMENT:
            wanted = self._assigned(connection, wanted, party, proposal.new_party_id)
        self._check_limit(connection, wanted, stated, now)
        domain = self._operations.signing_domain(connection, contract.id)
        form = terms.signed_form(wanted)
        old = json.loads(contract.canonical)
        message = Message(
            amendment_id=self._steps.ids.ulid(),
            contract_id=contract.id,
            from_version=contract.version,
            kind=Kind.ValueType(proposal.kind),
            patch_json=json.dumps(terms.patch(old, json.loads(wanted.canonical))),
            fee="0",
            proposed_by=party,  # type: ignore[arg-type] # The number of a side.
            typed_data_json=json.dumps(typed_data(domain, form)),
            digest=f"0x{digest(domain, form).hex()}",
        )
        message.sign_by.FromDatetime(sign_by)
        made = Matter(
            message.amendment_id, contract.id, AMENDMENT, "PROPOSED", message.SerializeToString(),
            packed(wanted), sign_by,
        )  # fmt: skip
        matter_store.put_matter(connection, made, is_new=True)
        detail = {
            "amendment_id": made.id, "kind": Kind.Name(message.kind), "note": proposal.note,
            "sign_by": sign_by.isoformat(),
        }  # fmt: skip
        self._steps.step(
            connection, contract, "amendment.proposed", actor, detail=detail, tells=(other(party),)
        )
        return made

    async def page(self, actor: Actor, contract_id: str, *, after: str, limit: int) -> list[Matter]:
        """Returns amendments, oldest first; whoever is to take a place sees the proposal of it.

        Raises:
            DomainError: NOT_A_PARTY.
        """

        def read(connection: Connection) -> list[Matter]:
            found = matter_store.matters_of(
                connection, contract_id, AMENDMENT, after=after, limit=limit
            )
            theirs = [one for one in found if side_of(one, actor.user_id)]
            if not theirs or actor.reaches_all:
                self._steps.found(connection, contract_id, actor)
                return found
            contract = store.contract(connection, contract_id)
            return found if contract and contract.party(actor.user_id) else theirs

        return await self._database.read(read)

    async def sign(
        self, actor: Actor, contract_id: str, amendment_id: str, given: Signed,
        effect: Effect[Matter, M],
    ) -> M:  # fmt: skip
        """Signs; with the second signature the contract has the new terms.

        Raises:
            DomainError: NOT_A_PARTY, NOT_FOUND, RESOURCE_STATE, SIGN_DEADLINE_PASSED,
                ALREADY_SIGNED, DIGEST_MISMATCH, SIGNATURE_INVALID or SIGNER_WALLET_MISMATCH.
        """
        _, matter, party = await self._database.read(
            lambda tx: self._signable(tx, actor, contract_id, amendment_id)
        )
        message = Message.FromString(matter.document)
        await judge(self._wallets, message.digest, given, wallet_of(matter, party))

        def write(connection: Connection) -> None:
            contract, found, side = self._signable(connection, actor, contract_id, amendment_id)
            document = Message.FromString(found.document)
            now = self._steps.clock.now()
            added = document.signatures.add(
                party=side,
                user_id=actor.user_id,
                contract_version=contract.version + 1,
                wallet_address=wallet_of(found, side),
                digest=document.digest,
                signature=given.signature,
                scheme=contract_types_pb2.SignatureScheme.ValueType(given.scheme),
                is_verified=True,
            )
            added.sign_time.FromDatetime(now)
            if len(document.signatures) == 1:
                changed = matters.change(
                    connection, found, "PROPOSED", document.SerializeToString(), found.due_at
                )
                self._steps.step(
                    connection, contract, "amendment.signed_by_counterparty", actor,
                    detail={"amendment_id": found.id}, tells=(other(side),),
                )  # fmt: skip
            else:
                changed = self._complete(connection, contract, actor, found, document)
            effect.record(connection, changed, resource=f"contract/{contract_id}")

        await self._database.write(write)
        return effect.reply

    async def reject(
        self, actor: Actor, contract_id: str, amendment_id: str, note: str,
        effect: Effect[Matter, M],
    ) -> M:  # fmt: skip
        """Rejects a proposal, or takes the own one back.

        Raises:
            DomainError: NOT_A_PARTY, NOT_FOUND or RESOURCE_STATE.
        """

        def write(connection: Connection) -> None:
            contract, found, _ = self._reached(connection, actor, contract_id, amendment_id)
            matters.require(found, "rejecting", ("PROPOSED",))
            changed = matters.change(connection, found, "REJECTED")
            detail = {"amendment_id": found.id, "note": note}
            self._steps.step(connection, contract, "amendment.rejected", actor, detail=detail)
            effect.record(connection, changed, resource=f"contract/{contract_id}")

        await self._database.write(write)
        return effect.reply

    def expire_due(self, connection: Connection, now: datetime) -> None:
        """Ends proposals that were not signed in time."""
        for one in matter_store.matters_due(connection, (AMENDMENT,), now):
            contract = store.contract(connection, one.contract_id)
            assert contract is not None, "Contracts are kept."
            matters.change(connection, one, "EXPIRED")
            detail = {"amendment_id": one.id}
            self._steps.step(connection, contract, "amendment.expired", SYSTEM, detail=detail)

    def _reached(
        self, connection: Connection, actor: Actor, contract_id: str, amendment_id: str
    ) -> tuple[Contract, Matter, int]:
        """Returns an amendment that the actor is to sign, or that changes the actor's contract."""
        contract = store.contract(connection, contract_id)
        if contract is None:
            raise DomainError("NOT_A_PARTY")
        one = matter_store.matter(connection, amendment_id)
        side = side_of(one, actor.user_id) if one and one.contract_id == contract_id else 0
        if not side:
            self._steps.found(connection, contract_id, actor)
        found = matters.found(connection, contract_id, AMENDMENT, amendment_id)
        return contract, found, side

    def _signable(
        self, connection: Connection, actor: Actor, contract_id: str, amendment_id: str
    ) -> tuple[Contract, Matter, int]:
        contract, found, side = self._reached(connection, actor, contract_id, amendment_id)
        matters.require(found, "signing", ("PROPOSED",))
        if not side:
            # Who gives the place away does not sign: the proposal said it.
            raise DomainError("PERMISSION_DENIED")
        assert found.due_at is not None, "It has a deadline."
        if found.due_at <= self._steps.clock.now():
            raise DomainError("SIGN_DEADLINE_PASSED", sign_by=found.due_at.isoformat())
        signed = Message.FromString(found.document).signatures
        if any(one.party == side for one in signed):
            raise DomainError("ALREADY_SIGNED")
        return contract, found, side

    def _complete(
        self, connection: Connection, contract: Contract, actor: Actor, found: Matter,
        document: Message,
    ) -> Matter:  # fmt: skip
        wanted = unpacked(contract, found)
        for one in document.signatures:
            store.add_signature(
                connection,
                Signature(
                    contract.id, wanted.version, int(one.party), one.user_id, one.wallet_address,
                    one.digest, one.signature, int(one.scheme),
                    one.sign_time.ToDatetime(tzinfo=UTC),
                ),
            )  # fmt: skip
        data = wanted.canonical.encode()
        prepared = self._library.prepare_for_parties(data, media_type="application/json")
        self._library.record(connection, prepared, contract_id=contract.id)
        changed = matters.change(connection, found, "SIGNED", document.SerializeToString())
        is_chained = self._operations.is_enabled and contract.chain_status != "NONE"
        if wanted.party_ids != contract.party_ids:
            self._take_place(connection, contract, wanted, found.id)
        if wanted.message().price != contract.message().price:
            # Their targets are of the price as it was.
            matters.end(connection, contract, {FIRM_OFFER})
        done = contract.priced_quantity
        if open_legs(wanted):
            done = f"{priced(wanted, store.fixations_of(connection, contract.id)):f}"
        self._steps.step(
            connection, contract, "amendment.signed", actor,
            detail={"amendment_id": found.id, "terms_cid": prepared.cid},
            **{name: getattr(wanted, name) for name in AMENDED}, priced_quantity=done,
            chain_status="PENDING" if is_chained else contract.chain_status,
        )  # fmt: skip
        if is_chained:
            self._request(connection, wanted, document)
        return changed

    def _request(self, connection: Connection, wanted: Contract, document: Message) -> None:
        signed = {int(one.party): one.signature.removeprefix("0x") for one in document.signatures}
        payload = amendment(
            self._operations.signing_domain(connection, wanted.id), terms.signed_form(wanted),
            seller_signature=bytes.fromhex(signed[SELLER]),
            buyer_signature=bytes.fromhex(signed[BUYER]),
        )  # fmt: skip
        self._operations.request(
            connection, payload, reference=wanted.id, version=wanted.version,
            user_ids=wanted.party_ids,
        )  # fmt: skip

    def _take_place(
        self, connection: Connection, contract: Contract, wanted: Contract, amendment_id: str
    ) -> None:
        """Asks whoever takes a place for the deposit that stays, on behalf of who leaves."""
        before = money.accounts(connection, self._steps, contract)
        after = money.accounts(connection, self._steps, wanted)
        held = (contract.seller_held_minor, contract.buyer_held_minor)
        for source, target, amount in zip(after, before, held, strict=True):
            if source != target:
                money.ask(
                    connection, self._steps, contract, money.DEPOSIT_TAKEN_OVER, source=source,
                    target=target, amount_minor=amount, reference=amendment_id,
                )  # fmt: skip

    def _check_limit(
        self, connection: Connection, wanted: Contract, stated: terms.Terms, now: datetime
    ) -> None:
        people = [self._steps.user(connection, one) for one in wanted.party_ids]
        values = configuration.current(connection, now)
        check_limit(values, worth(connection, stated, self._market), stated.price.currency, people)

    def _assigned(
        self, connection: Connection, wanted: Contract, party: int, user_id: str
    ) -> Contract:
        if user_id in wanted.party_ids:
            raise DomainError("SAME_PARTY")
        user = eligible(self._steps.users.by_id(connection, user_id))
        if not user.wallet_address:
            raise DomainError("CONTRACT_INCOMPLETE", fields="wallet of the new party")
        if party == SELLER:
            return replace(wanted, seller_id=user.id, seller_wallet=user.wallet_address)
        return replace(wanted, buyer_id=user.id, buyer_wallet=user.wallet_address)


def _sign_by(connection: Connection, now: datetime, wanted: datetime | None) -> datetime:
    values = configuration.current(connection, now)
    if wanted is None:
        hours = values.integer("contracts.sign_by_default_h")
        return (now + timedelta(hours=hours)).replace(microsecond=0)
    found = wanted.replace(microsecond=0)
    latest = now + timedelta(days=values.integer("contracts.sign_by_max_d"))
    if not now + _SIGN_AT_LEAST <= found <= latest:
        raise invalid("sign_by", f"must be in an hour or later, and by {latest.isoformat()}")
    return found
