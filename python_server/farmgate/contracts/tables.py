"""Tables of forward contracts."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from farmgate.db.schema import BigKey, Ulid, UtcTime, metadata

contracts: Final = Table(
    "contracts",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("version", Integer, nullable=False),
    # Raised by every step; a step on another revision is void.
    Column("revision", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("template_code", String(48), nullable=False),
    Column("seller_id", Ulid, ForeignKey("users.id"), nullable=False),
    Column("buyer_id", Ulid, ForeignKey("users.id"), nullable=False),
    Column("seller_wallet", String(42), nullable=False),
    Column("buyer_wallet", String(42), nullable=False),
    # 1 seller, 2 buyer: who wrote this version.
    Column("creator", SmallInteger, nullable=False),
    # The terms as a message, and in canonical form once they were submitted.
    Column("terms", LargeBinary, nullable=False),
    Column("canonical", Text, nullable=False),
    Column("terms_hash", String(66), nullable=False),
    Column("terms_cid", String(64), nullable=False),
    Column("commodity_code", String(48), nullable=False),
    Column("origin_farm_id", String(26), nullable=False),
    # Decimals as text: quantities in units of the contract.
    Column("quantity", String(24), nullable=False),
    Column("delivered_quantity", String(24), nullable=False),
    Column("priced_quantity", String(24), nullable=False),
    Column("delivery_start", String(10), nullable=False),
    Column("delivery_end", String(10), nullable=False),
    Column("sign_by", UtcTime, nullable=True),
    Column("signed_at", UtcTime, nullable=True),
    Column("chain_status", String(16), nullable=False),
    Column("transaction_hash", String(66), nullable=False),
    Column("block_number", BigInteger, nullable=False),
    # In 1e-4 of the currency: what is to be held, and what is.
    Column("seller_deposit_minor", BigInteger, nullable=False),
    Column("buyer_deposit_minor", BigInteger, nullable=False),
    Column("seller_held_minor", BigInteger, nullable=False),
    Column("buyer_held_minor", BigInteger, nullable=False),
    # Who agreed to what is proposed: bits 1 seller, 2 buyer.
    Column("settle_agreed", SmallInteger, nullable=False),
    Column("cancel_agreed", SmallInteger, nullable=False),
    Column("is_closed_short", Boolean, nullable=False),
    Column("cancel_reason", String(32), nullable=False),
    Column("cancelled_at", UtcTime, nullable=True),
    # How it ended when somebody owes for it: a JSON object, empty before.
    Column("outcome", Text, nullable=False, server_default=""),
    # Trade of the book that it came of; 0 for none.
    Column("source_trade_id", BigInteger, nullable=False, server_default="0"),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    CheckConstraint(
        "state IN ('DRAFT', 'PENDING_SIGNATURE', 'SIGNED', 'ACTIVE', 'SETTLED', 'CANCELLED')",
        name="state_is_known",
    ),
    CheckConstraint("seller_id <> buyer_id", name="parties_differ"),
    Index(None, "seller_id", "id"),
    Index(None, "buyer_id", "id"),
    Index(None, "state"),
    Index(None, "terms_hash"),
    Index(None, "source_trade_id"),
)

signatures: Final = Table(
    "contract_signatures",
    metadata,
    Column("contract_id", Ulid, ForeignKey("contracts.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("party", SmallInteger, primary_key=True, autoincrement=False),
    Column("user_id", Ulid, nullable=False),
    Column("wallet", String(42), nullable=False),
    Column("digest", String(66), nullable=False),
    Column("signature", Text, nullable=False),
    Column("scheme", SmallInteger, nullable=False),
    Column("signed_at", UtcTime, nullable=False),
)

contract_events: Final = Table(
    "contract_events",
    metadata,
    Column("sequence", BigKey, primary_key=True, autoincrement=False),
    Column("id", Ulid, nullable=False, unique=True),
    Column("contract_id", Ulid, ForeignKey("contracts.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("type", String(64), nullable=False),
    Column("state", String(20), nullable=False),
    Column("actor_id", String(26), nullable=False),
    Column("actor_party", SmallInteger, nullable=False),
    Column("detail", Text, nullable=False),
    Column("transaction_hash", String(66), nullable=False),
    Column("at", UtcTime, nullable=False),
    Index(None, "contract_id", "sequence"),
)

fixations: Final = Table(
    "contract_fixations",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("contract_id", Ulid, ForeignKey("contracts.id"), nullable=False),
    Column("leg", SmallInteger, nullable=False),
    Column("quantity", String(24), nullable=False),
    Column("value", String(24), nullable=False),
    Column("series", String(64), nullable=False),
    Column("method", SmallInteger, nullable=False),
    Column("fixed_by", String(26), nullable=False),
    Column("at", UtcTime, nullable=False),
    Index(None, "contract_id", "id"),
)

deliveries: Final = Table(
    "deliveries",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("contract_id", Ulid, ForeignKey("contracts.id"), nullable=False),
    # Number of the ticket within the contract, from 1.
    Column("ticket", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    # The delivery as a message.
    Column("document", LargeBinary, nullable=False),
    # Decimals as text: what counts for the contract, and what is paid for it.
    Column("applied_quantity", String(24), nullable=False),
    Column("accept_by", UtcTime, nullable=True),
    # Statement it was paid by; empty before.
    Column("statement_id", String(26), nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("contract_id", "ticket"),
    Index(None, "state", "accept_by"),
)

statements: Final = Table(
    "contract_statements",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("contract_id", Ulid, ForeignKey("contracts.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    # The statement as a message, without what changes: state and agreement.
    Column("document", LargeBinary, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("net_minor", BigInteger, nullable=False),
    Column("agreed", SmallInteger, nullable=False),
    Column("object_by", UtcTime, nullable=False),
    Column("issued_at", UtcTime, nullable=False),
    # Whether it is the last one: with it the contract is settled.
    Column("is_last", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("contract_id", "number"),
    Index(None, "state", "object_by"),
)

# Money on its way between two accounts of the core: taken from one, then given to the other.
transfers: Final = Table(
    "contract_transfers",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("contract_id", Ulid, ForeignKey("contracts.id"), nullable=False),
    # What it is for, such as DEPOSIT_SELLER; of one kind and reference there is one.
    Column("kind", String(24), nullable=False),
    Column("reference", String(26), nullable=False),
    # Numbers in the core; 0 is the exchange's escrow.
    Column("from_account", BigInteger, nullable=False),
    Column("to_account", BigInteger, nullable=False),
    Column("asset", String(32), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("refusal", String(48), nullable=False),
    Column("due_at", UtcTime, nullable=True),
    CheckConstraint("state IN ('QUEUED', 'TAKEN', 'DONE', 'DROPPED')", name="state_is_known"),
    CheckConstraint("amount_minor > 0", name="amount_is_positive"),
    UniqueConstraint("contract_id", "kind", "reference"),
    Index(None, "due_at"),
)

# What is open beside a contract: amendment, dispute, notice of force majeure, firm offer, default,
# washout. One table, for what a contract may do next depends on what of all of them is open.
matters: Final = Table(
    "contract_matters",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("contract_id", Ulid, ForeignKey("contracts.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    # The matter as the API's message.
    Column("document", LargeBinary, nullable=False),
    # Of an amendment: the terms as they will be. Empty otherwise.
    Column("terms", LargeBinary, nullable=False),
    # When something happens by itself.
    Column("due_at", UtcTime, nullable=True),
    Column("version", Integer, nullable=False),
    Index(None, "contract_id", "kind", "id"),
    Index(None, "state", "due_at"),
)
