"""Contracts and what belongs to them, as messages."""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeVar

from google.protobuf.message import Message

from farmgate.api.contracts.v1 import (
    contract_events_pb2,
    contract_terms_pb2,
    contract_types_pb2,
    delivery_types_pb2,
    pricing_pb2,
    settlements_pb2,
    signing_pb2,
    templates_pb2,
)
from farmgate.contracts.rules import PriceType, least
from farmgate.contracts.signing import Check
from farmgate.contracts.statements import canonical
from farmgate.contracts.steps import View
from farmgate.contracts.templates import Template
from farmgate.contracts.terms import pricing
from farmgate.contracts.values import (
    BUYER,
    CASH_MINOR,
    DISPUTE,
    ENDED,
    FORCE_MAJEURE,
    SELLER,
    Contract,
    ContractEvent,
    Delivery,
    Fixation,
    Matter,
    Signature,
    Statement,
)
from farmgate.ports.unixfs import cid_of
from farmgate.users.facade import User
from farmgate.users.messages import timestamp

P = TypeVar("P", bound=Message)
_Types = contract_types_pb2
Party = contract_terms_pb2.Party
# What a party may do, by state; what only the author or the other one may do is marked.
_ACTIONS: Final = {
    "DRAFT": ("update*", "submit*", "cancel*"),
    "PENDING_SIGNATURE": ("sign", "cancel*", "counter-", "decline-", "publish-ipfs", "verify"),
    "SIGNED": ("cancel", "publish-ipfs", "verify"),
    "ACTIVE": (
        "deliver",
        "fix-price",
        "issue-statement",
        "settle",
        "cancel",
        "amend",
        "dispute",
        "force-majeure",
        "default",
        "washout",
        "verify",
    ),
    "SETTLED": ("verify",),
    "CANCELLED": ("verify",),
}


def contract_message(view: View, viewer: str = "") -> contract_types_pb2.Contract:
    """Returns a contract.

    Args:
        view: The contract with its people and signatures.
        viewer: User ID of who looks at it, for what may be done.
    """
    contract, people, signed = view.contract, view.people, view.signed
    terms = contract.message()
    message = contract_types_pb2.Contract(
        contract_id=contract.id,
        number=contract.label,
        version=contract.version,
        state=_Types.ContractState.Value(f"CONTRACT_STATE_{contract.state}"),
        template_code=contract.template_code,
        seller=_party(people[0], contract.seller_wallet),
        buyer=_party(people[1], contract.buyer_wallet),
        creator=Party.ValueType(contract.creator),
        terms=terms,
        terms_hash=contract.terms_hash,
        terms_cid=contract.terms_cid,
        signatures=map(signature_message, signed),
        pricing_status=_pricing_status(contract),
        delivery_status=_delivery_status(contract),
        delivered_quantity=contract.delivered_quantity,
        accepted_quantity=contract.delivered_quantity,
        priced_quantity=_priced(contract),
        seller_deposit_held=_cash(contract.seller_held_minor),
        buyer_deposit_held=_cash(contract.buyer_held_minor),
        allowed_actions=_actions(contract, viewer, signed),
        create_time=timestamp(contract.created_at),
        update_time=timestamp(contract.updated_at),
    )
    if terms.quantity:
        left = max(Decimal(0), Decimal(terms.quantity) - contract.delivered)
        message.balance_quantity = f"{left.normalize():f}"
    if contract.sign_by:
        message.terms.sign_by.CopyFrom(timestamp(contract.sign_by))
    message.chain.status = _Types.ChainStatus.Value(f"CHAIN_STATUS_{contract.chain_status}")
    message.chain.transaction_hash = contract.transaction_hash
    message.chain.block_number = contract.block_number
    message.chain.is_resyncing = contract.state == "ACTIVE" and contract.chain_status == "PENDING"
    message.is_disputed = DISPUTE in view.open_kinds
    message.is_suspended = FORCE_MAJEURE in view.open_kinds
    message.source_trade_id = contract.source_trade_id
    if contract.cancelled_at:
        _end(message.cancellation, contract, contract.cancelled_at)
    return message


def matter_message(one: Matter, kind: type[P], state: str = "state") -> P:
    """Returns a matter as the API's message of its kind.

    Args:
        one: The matter.
        kind: The message.
        state: Field of its state; empty when it has none.
    """
    message = kind.FromString(one.document)
    if state:
        field = kind.DESCRIPTOR.fields_by_name[state]
        enum = field.enum_type
        assert enum is not None, "It is the field of a state."
        prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
        setattr(message, state, enum.values_by_name[f"{prefix}{one.state}"].number)
    return message


def signature_message(one: Signature) -> contract_types_pb2.ContractSignature:
    """Returns a signature; what is kept was verified."""
    return contract_types_pb2.ContractSignature(
        party=Party.ValueType(one.party),
        user_id=one.user_id,
        contract_version=one.version,
        wallet_address=one.wallet,
        digest=one.digest,
        signature=one.signature,
        scheme=_Types.SignatureScheme.ValueType(one.scheme),
        is_verified=True,
        sign_time=timestamp(one.signed_at),
    )


def event_message(one: ContractEvent) -> contract_events_pb2.ContractEvent:
    """Returns an event."""
    return contract_events_pb2.ContractEvent(
        event_id=one.id,
        contract_id=one.contract_id,
        contract_version=one.version,
        type=one.type,
        state=_Types.ContractState.Value(f"CONTRACT_STATE_{one.state}"),
        actor_id=one.actor_id,
        actor_party=Party.ValueType(one.actor_party),
        detail_json=one.detail,
        transaction_hash=one.transaction_hash,
        event_time=timestamp(one.at),
    )


def fixation_message(one: Fixation) -> pricing_pb2.PriceFixation:
    """Returns a fixation."""
    return pricing_pb2.PriceFixation(
        fixation_id=one.id,
        contract_id=one.contract_id,
        leg=pricing_pb2.FixationLeg.ValueType(one.leg),
        quantity=one.quantity,
        value=one.value,
        reference_series=one.series,
        reference_time=timestamp(one.at),
        method=pricing_pb2.FixationMethod.ValueType(one.method),
        fixed_by=one.fixed_by,
        fix_time=timestamp(one.at),
    )


def delivery_message(one: Delivery) -> delivery_types_pb2.Delivery:
    """Returns a delivery."""
    message = delivery_types_pb2.Delivery.FromString(one.document)
    message.delivery_id = one.id
    message.ticket_number = str(one.ticket)
    message.state = delivery_types_pb2.DeliveryState.Value(f"DELIVERY_STATE_{one.state}")
    message.version = one.version
    return message


def statement_message(one: Statement) -> settlements_pb2.SettlementStatement:
    """Returns a statement."""
    message = settlements_pb2.SettlementStatement.FromString(one.document)
    message.document_cid = cid_of(canonical(message))
    message.state = settlements_pb2.SettlementState.Value(f"SETTLEMENT_STATE_{one.state}")
    message.is_seller_agreed = bool(one.agreed & SELLER)
    message.is_buyer_agreed = bool(one.agreed & BUYER)
    message.object_by.CopyFrom(timestamp(one.object_by))
    message.sha256 = one.sha256
    return message


def verification_message(
    contract: Contract, checks: Sequence[Check]
) -> signing_pb2.ContractVerification:
    """Returns what checking a contract brought."""
    message = signing_pb2.ContractVerification(
        is_good=all(check.is_good for check in checks),
        contract_id=contract.id,
        contract_version=contract.version,
        terms_hash=contract.terms_hash,
        terms_cid=contract.terms_cid,
    )
    for check in checks:
        message.checks.add(
            name=check.name, is_good=check.is_good, expected=check.expected, actual=check.actual
        )
    return message


def template_message(one: Template) -> templates_pb2.ContractTemplate:
    """Returns a template."""
    return templates_pb2.ContractTemplate(
        code=one.code,
        name=one.name,
        version=1,
        description=one.description,
        schema_json=one.schema,
        default_terms=one.terms,
        required_fields=one.required,
        text_markdown=one.text,
    )


def _end(
    message: contract_types_pb2.ContractCancellation, contract: Contract, at: datetime
) -> None:
    outcome = json.loads(contract.outcome or "{}")
    message.reason = _Types.CancellationReason.Value(
        f"CANCELLATION_REASON_{contract.cancel_reason}"
    )
    message.cancel_time.CopyFrom(timestamp(at))
    message.liable_party = Party.ValueType(outcome.get("liable_party", 0))
    for name in ("reference_price", "reference_date", "quantity", "liability_amount",
                 "evidence_hash"):  # fmt: skip
        setattr(message, name, outcome.get(name, ""))


def _party(user: User, wallet: str) -> contract_types_pb2.ContractParty:
    return contract_types_pb2.ContractParty(
        user_id=user.id,
        account_id=user.account_id or "",
        display_name=user.display_name,
        wallet_address=wallet or user.wallet_address,
    )


def _pricing_status(contract: Contract) -> contract_types_pb2.PricingStatus.ValueType:
    priced, quantity = Decimal(_priced(contract)), Decimal(contract.quantity or "0")
    if not priced:
        return _Types.PRICING_STATUS_UNPRICED
    return _Types.PRICING_STATUS_PRICED if priced >= quantity else _Types.PRICING_STATUS_PARTIAL


def _priced(contract: Contract) -> str:
    terms = contract.message()
    is_fixed = terms.price.type and pricing(terms).type is PriceType.FIXED
    has_price = is_fixed and terms.price.fixed_price
    return contract.quantity or "0" if has_price else contract.priced_quantity


def _delivery_status(contract: Contract) -> contract_types_pb2.DeliveryStatus.ValueType:
    if contract.is_closed_short and contract.state in ENDED:
        return _Types.DELIVERY_STATUS_CLOSED_SHORT
    if not contract.delivered:
        return _Types.DELIVERY_STATUS_NONE
    terms = contract.message()
    wanted = least(Decimal(terms.quantity), Decimal(terms.tolerance_pct or "0"))
    is_enough = contract.delivered >= wanted
    return _Types.DELIVERY_STATUS_COMPLETE if is_enough else _Types.DELIVERY_STATUS_PARTIAL


def _actions(contract: Contract, viewer: str, signed: Sequence[Signature]) -> list[str]:
    party = contract.party(viewer)
    if not party:
        return []
    found = []
    for action in _ACTIONS[contract.state]:
        name = action.rstrip("*-")
        is_author = party == contract.creator
        if (action.endswith("*") and not is_author) or (action.endswith("-") and is_author):
            continue
        if name == "sign" and any(one.party == party for one in signed):
            continue
        found.append(name)
    return found


def _cash(minor: int) -> str:
    return f"{Decimal(minor) / CASH_MINOR:.4f}"
