"""Contracts and what belongs to them, as plain values."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from farmgate.api.contracts.v1 import contract_terms_pb2

SELLER: Final = 1
BUYER: Final = 2
BOTH: Final = SELLER | BUYER
DRAFT: Final = "DRAFT"
PENDING: Final = "PENDING_SIGNATURE"
SIGNED: Final = "SIGNED"
ACTIVE: Final = "ACTIVE"
SETTLED: Final = "SETTLED"
CANCELLED: Final = "CANCELLED"
ENDED: Final = frozenset({SETTLED, CANCELLED})
STATES: Final = (DRAFT, PENDING, SIGNED, ACTIVE, SETTLED, CANCELLED)
CASH_MINOR: Final = 10_000
AMENDMENT: Final = "AMENDMENT"
DISPUTE: Final = "DISPUTE"
FORCE_MAJEURE: Final = "FORCE_MAJEURE"
FIRM_OFFER: Final = "FIRM_OFFER"
DEFAULT: Final = "DEFAULT"
WASHOUT: Final = "WASHOUT"
# States of matters that still go on, of every kind.
OPEN: Final = frozenset(
    {"PROPOSED", "OPEN", "ANSWERED", "REVIEW", "SUSPENDED", "WORKING", "DECLARED", "CHOSEN"}
)


@dataclass(frozen=True, slots=True)
class Contract:
    """A forward contract.

    Attributes:
        number: Number that people name it by.
        outcome: How it ended when somebody owes for it, as a JSON object; empty otherwise.
        source_trade_id: Trade of the book that it came of; 0 for none.
        version: Of the terms; rises with each change of them.
        revision: Of the row; rises with each step.
        creator: 1 seller, 2 buyer: who wrote this version.
        canonical: The terms as they are signed; empty for a draft.
        seller_deposit_minor: What the seller is to have in deposit, in 1e-4 of the currency.
        seller_held_minor: What of it is held.
        settle_agreed: Who agreed to settle: bits 1 seller, 2 buyer.
    """

    id: str
    number: int
    version: int
    revision: int
    state: str
    template_code: str
    seller_id: str
    buyer_id: str
    seller_wallet: str
    buyer_wallet: str
    creator: int
    terms: bytes
    canonical: str
    terms_hash: str
    terms_cid: str
    commodity_code: str
    origin_farm_id: str
    quantity: str
    delivered_quantity: str
    priced_quantity: str
    delivery_start: str
    delivery_end: str
    sign_by: datetime | None
    signed_at: datetime | None
    chain_status: str
    transaction_hash: str
    block_number: int
    seller_deposit_minor: int
    buyer_deposit_minor: int
    seller_held_minor: int
    buyer_held_minor: int
    settle_agreed: int
    cancel_agreed: int
    is_closed_short: bool
    cancel_reason: str
    cancelled_at: datetime | None
    created_at: datetime
    updated_at: datetime
    outcome: str = ""
    source_trade_id: int = 0

    @property
    def label(self) -> str:
        """Returns the number as people write it, such as FC-2026-000123."""
        return f"FC-{self.created_at.year}-{self.number:06d}"

    @property
    def party_ids(self) -> tuple[str, str]:
        """Returns the user IDs of both parties."""
        return self.seller_id, self.buyer_id

    def party(self, user_id: str) -> int:
        """Returns 1 for the seller, 2 for the buyer, 0 for anybody else."""
        if user_id == self.seller_id:
            return SELLER
        return BUYER if user_id == self.buyer_id else 0

    def message(self) -> contract_terms_pb2.ContractTerms:
        """Returns the terms."""
        return contract_terms_pb2.ContractTerms.FromString(self.terms)

    @property
    def delivered(self) -> Decimal:
        """Returns the quantity that counts as delivered."""
        return Decimal(self.delivered_quantity or "0")


@dataclass(frozen=True, slots=True)
class Signature:
    """What a party signed; scheme 1 is a key's, 2 a contract account's."""

    contract_id: str
    version: int
    party: int
    user_id: str
    wallet: str
    digest: str
    signature: str
    scheme: int
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class ContractEvent:
    """Something that happened to a contract; the detail is a JSON object."""

    sequence: int
    id: str
    contract_id: str
    version: int
    type: str
    state: str
    actor_id: str
    actor_party: int
    detail: str
    transaction_hash: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Fixation:
    """A quantity whose open leg was fixed; leg and method are numbers of the API."""

    id: str
    contract_id: str
    leg: int
    quantity: str
    value: str
    series: str
    method: int
    fixed_by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """A load; the document is the API's message of it."""

    id: str
    contract_id: str
    ticket: int
    state: str
    document: bytes
    applied_quantity: str
    accept_by: datetime | None
    statement_id: str
    version: int


@dataclass(frozen=True, slots=True)
class Statement:
    """What is paid for deliveries; the document is the API's message of it."""

    id: str
    contract_id: str
    number: int
    state: str
    document: bytes
    sha256: str
    net_minor: int
    agreed: int
    object_by: datetime
    issued_at: datetime
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money on its way between two accounts of the core; account 0 is the escrow."""

    id: str
    contract_id: str
    kind: str
    reference: str
    from_account: int
    to_account: int
    asset: str
    amount_minor: int
    state: str
    attempts: int
    refusal: str
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Matter:
    """Something beside a contract, such as a dispute; the document is the API's message of it.

    Attributes:
        terms: Of an amendment, the terms as they will be.
        due_at: When something happens by itself.
    """

    id: str
    contract_id: str
    kind: str
    state: str
    document: bytes
    terms: bytes = b""
    due_at: datetime | None = None
    version: int = 1

    @property
    def is_open(self) -> bool:
        """Returns whether it still goes on."""
        return self.state in OPEN
