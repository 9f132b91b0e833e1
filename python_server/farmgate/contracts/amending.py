"""What an amendment may change, and the contract as it will be."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import Connection

from farmgate.api.contracts.v1 import amendments_pb2, contract_types_pb2
from farmgate.blockchain.facade import keccak256
from farmgate.contracts import store, terms
from farmgate.contracts.values import BUYER, SELLER, Contract, Matter
from farmgate.errors import DomainError, invalid
from farmgate.ports.unixfs import cid_of

Kind = amendments_pb2.AmendmentKind
# Terms that a kind may set; TERMS may set any but what has a kind of its own.
_PATHS: Final[dict[int, tuple[str, ...]]] = {
    amendments_pb2.AMENDMENT_KIND_QUANTITY: ("quantity", "tolerance_pct", "tolerance_option"),
    amendments_pb2.AMENDMENT_KIND_PRICE: ("price",),
    amendments_pb2.AMENDMENT_KIND_WINDOW: ("delivery.start", "delivery.end"),
    amendments_pb2.AMENDMENT_KIND_LOCATION: (
        "delivery.location_code", "delivery.incoterm", "delivery.mode",
    ),
    amendments_pb2.AMENDMENT_KIND_ROLL: (
        "price.reference_series", "price.reference_month", "price.futures_price", "price.basis",
        "price.pricing_deadline", "delivery.start", "delivery.end",
    ),
    amendments_pb2.AMENDMENT_KIND_ASSIGNMENT: (),
    amendments_pb2.AMENDMENT_KIND_TERMS: (
        "grade_code", "schedule_id", "overfill_policy", "crop_year", "origin_farm_id", "payment",
        "rules", "law", "arbitration_body", "arbitration_seat", "force_majeure", "default_policy",
        "clauses",
    ),
}  # fmt: skip
# Columns of a contract that follow its terms.
AMENDED: Final = (
    "version", "seller_id", "buyer_id", "seller_wallet", "buyer_wallet", "terms", "canonical",
    "terms_hash", "terms_cid", "origin_farm_id", "quantity", "delivery_start", "delivery_end",
    "sign_by",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Proposal:
    """What somebody proposes to change."""

    kind: int
    terms: terms.Terms
    mask: FieldMask
    new_party_id: str = ""
    sign_by: datetime | None = None
    note: str = ""
    expected: int = 0


def amended_terms(connection: Connection, contract: Contract, proposal: Proposal) -> terms.Terms:
    """Returns the terms as they will be.

    Raises:
        DomainError: RESOURCE_STATE, ALREADY_PRICED, CONTRACT_INCOMPLETE or INVALID_ARGUMENT.
    """
    kind, mask = proposal.kind, proposal.mask
    is_assignment = kind == amendments_pb2.AMENDMENT_KIND_ASSIGNMENT
    if is_assignment != bool(proposal.new_party_id):
        raise invalid("new_party_user_id", "must be stated for ASSIGNMENT, and for no other kind")
    if is_assignment and contract.delivered > 0:
        raise state(contract, "partly delivered", "assigning")
    if is_assignment == bool(mask.paths) or not mask.IsValidForDescriptor(terms.Terms.DESCRIPTOR):
        raise invalid("update_mask", "must name terms, such as delivery.end; none for ASSIGNMENT")
    for path in mask.paths:
        if not any(path == one or path.startswith(f"{one}.") for one in _PATHS[kind]):
            allowed = ", ".join(_PATHS[kind])
            raise invalid("update_mask", f"may name for this kind only: {allowed}")
    before = contract.message()
    if kind == amendments_pb2.AMENDMENT_KIND_ROLL and not before.price.rolls_allowed:
        raise state(contract, "without rolls", "rolling")
    stated = contract.message()
    mask.MergeMessage(
        proposal.terms, stated, replace_message_field=True, replace_repeated_field=True
    )
    terms.check(stated)
    if lacking := terms.missing(stated):
        raise DomainError("CONTRACT_INCOMPLETE", fields=", ".join(lacking))
    if not is_assignment and stated == before:
        raise invalid("terms", "must differ from what is agreed")
    _check_done(connection, contract, before, stated)
    return stated


def as_amended(contract: Contract, stated: terms.Terms, sign_by: datetime) -> Contract:
    """Returns the contract in its next version."""
    version = contract.version + 1
    text = terms.canonical(stated, contract.id, version)
    data = text.encode()
    return replace(
        contract, version=version, terms=stated.SerializeToString(), canonical=text,
        terms_hash=f"0x{keccak256(data).hex()}", terms_cid=cid_of(data),
        origin_farm_id=stated.origin_farm_id, quantity=stated.quantity,
        delivery_start=stated.delivery.start, delivery_end=stated.delivery.end, sign_by=sign_by,
    )  # fmt: skip


def packed(wanted: Contract) -> bytes:
    """Returns a contract as it will be, as it is kept until both have signed."""
    message = contract_types_pb2.Contract(terms=wanted.message())
    assert wanted.sign_by is not None, "It has a deadline."
    message.terms.sign_by.FromDatetime(wanted.sign_by)
    message.seller.user_id, message.seller.wallet_address = wanted.seller_id, wanted.seller_wallet
    message.buyer.user_id, message.buyer.wallet_address = wanted.buyer_id, wanted.buyer_wallet
    return message.SerializeToString()


def unpacked(contract: Contract, one: Matter) -> Contract:
    """Returns the contract as the amendment makes it."""
    message = _kept(one)
    assert one.due_at is not None, "It has a deadline."
    stated = message.terms
    sign_by = one.due_at
    stated.ClearField("sign_by")
    return replace(
        as_amended(contract, stated, sign_by),
        seller_id=message.seller.user_id, seller_wallet=message.seller.wallet_address,
        buyer_id=message.buyer.user_id, buyer_wallet=message.buyer.wallet_address,
    )  # fmt: skip


def side_of(one: Matter, user_id: str) -> int:
    """Returns on which side somebody is to sign; 0 for nobody."""
    message = _kept(one)
    if user_id == message.seller.user_id:
        return SELLER
    return BUYER if user_id == message.buyer.user_id else 0


def wallet_of(one: Matter, party: int) -> str:
    """Returns the wallet that is to sign for a side."""
    message = _kept(one)
    return (message.seller if party == SELLER else message.buyer).wallet_address


def state(contract: Contract, is_: str, action: str) -> DomainError:
    """Returns the refusal of an action by what a contract is."""
    return DomainError(
        "RESOURCE_STATE", resource="contract", id=contract.label, state=is_, action=action
    )


def _kept(one: Matter) -> contract_types_pb2.Contract:
    return contract_types_pb2.Contract.FromString(one.terms)


def _check_done(
    connection: Connection, contract: Contract, before: terms.Terms, stated: terms.Terms
) -> None:
    """Refuses to take back what was delivered or priced."""
    done = max(contract.delivered, Decimal(contract.priced_quantity))
    if Decimal(stated.quantity) < done:
        raise invalid("quantity", f"must be at least {done:f}, which was delivered or priced")
    is_other = stated.price.type != before.price.type
    if is_other and store.fixations_of(connection, contract.id):
        raise DomainError("ALREADY_PRICED")
