"""Tables of what the exchange does on the chain, and of content."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from farmgate.db.schema import BigKey, Ulid, UtcTime, metadata

chain_operations: Final = Table(
    "chain_operations",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("kind", String(16), nullable=False),
    # Contract, receipt, day or registry; with the kind and the version it names the operation.
    Column("reference", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    # What it calls, as JSON, and its Keccak-256.
    Column("payload", Text, nullable=False),
    Column("payload_hash", String(66), nullable=False),
    # Registry it is for; empty for a deployment.
    Column("to_address", String(42), nullable=False),
    Column("chain_id", BigInteger, nullable=False),
    Column("from_address", String(42), nullable=False),
    Column("state", String(16), nullable=False),
    # Raised by every step; a step on another revision is void.
    Column("revision", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    # NULL while no transaction of it may be in the world.
    Column("nonce", BigInteger, nullable=True),
    Column("gas_limit", BigInteger, nullable=False),
    Column("max_fee_wei", BigInteger, nullable=False),
    Column("tip_wei", BigInteger, nullable=False),
    Column("transaction_hash", String(66), nullable=False),
    # Newest block when it was sent last; decides when it is sent with a higher fee.
    Column("sent_block", BigInteger, nullable=False),
    Column("block_number", BigInteger, nullable=False),
    Column("block_hash", String(66), nullable=False),
    Column("confirmations", Integer, nullable=False),
    Column("error", String(200), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("alerted_at", UtcTime, nullable=True),
    UniqueConstraint("kind", "reference", "version"),
    UniqueConstraint("chain_id", "from_address", "nonce"),
    CheckConstraint(
        "state IN ('QUEUED', 'PINNED', 'SIGNED', 'BROADCAST', 'MINED', 'CONFIRMED', 'REPLACED', "
        "'REVERTED', 'FAILED')",
        name="state_is_known",
    ),
)

chain_operation_users: Final = Table(
    "chain_operation_users",
    metadata,
    Column("operation_id", Ulid, ForeignKey("chain_operations.id"), primary_key=True),
    Column("user_id", Ulid, primary_key=True, index=True),
)

# Every transaction that was ever signed: of those with one nonce, any may be the one in a block.
chain_transactions: Final = Table(
    "chain_transactions",
    metadata,
    Column("hash", String(66), primary_key=True),
    # NULL for one that an admin had signed.
    Column("operation_id", Ulid, ForeignKey("chain_operations.id"), nullable=True, index=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("from_address", String(42), nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("raw", Text, nullable=False),
    Column("is_to_send", Boolean(create_constraint=False), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

chain_registries: Final = Table(
    "chain_registries",
    metadata,
    Column("address", String(42), primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("name", String(64), nullable=False),
    Column("operation_id", Ulid, nullable=False),
    # Set when its deployment was confirmed.
    Column("deployed_at", UtcTime, nullable=True),
    Column("block_number", BigInteger, nullable=False),
)

chain_events: Final = Table(
    "chain_events",
    metadata,
    # Order in which streams tell them.
    Column("sequence", BigKey, primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("block_number", BigInteger, nullable=False, index=True),
    Column("block_hash", String(66), nullable=False),
    Column("log_index", Integer, nullable=False),
    Column("transaction_hash", String(66), nullable=False, index=True),
    Column("address", String(42), nullable=False),
    Column("name", String(64), nullable=False),
    Column("arguments", Text, nullable=False),
    Column("reference", String(64), nullable=False, index=True),
    # SEEN when its block came, CONFIRMED when that is deep enough, REMOVED when it was taken back.
    Column("step", String(16), nullable=False),
    Column("block_time", UtcTime, nullable=False),
    UniqueConstraint("block_hash", "log_index", "step"),
)

# The newest blocks, to see when the chain took some back.
chain_blocks: Final = Table(
    "chain_blocks",
    metadata,
    Column("number", BigKey, primary_key=True, autoincrement=False),
    Column("hash", String(66), nullable=False),
    Column("at", UtcTime, nullable=False),
)

chain_state: Final = Table(
    "chain_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("chain_id", BigInteger, nullable=False),
    Column("is_connected", Boolean(create_constraint=False), nullable=False),
    Column("block_number", BigInteger, nullable=False),
    Column("block_time", UtcTime, nullable=True),
    Column("base_fee_wei", BigInteger, nullable=False),
    Column("tip_wei", BigInteger, nullable=False),
    # Last block whose events were read.
    Column("read_block", BigInteger, nullable=False),
    # Last block whose events were told as confirmed.
    Column("confirmed_block", BigInteger, nullable=False),
    Column("checked_at", UtcTime, nullable=True),
    # Who works on the chain now: one process at a time.
    Column("holder", String(26), nullable=False),
    Column("held_until", UtcTime, nullable=True),
)

content_objects: Final = Table(
    "content_objects",
    metadata,
    Column("id", Ulid, primary_key=True),
    # Identifier of the content itself.
    Column("cid", String(64), nullable=False, index=True),
    # Identifier under which its bytes are kept: another one when they are encrypted.
    Column("kept_cid", String(64), nullable=False, index=True),
    Column("sha256", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("media_type", String(128), nullable=False),
    Column("visibility", String(16), nullable=False),
    # Empty for content of the exchange itself.
    Column("owner_id", String(26), nullable=False, index=True),
    # Empty for none.
    Column("contract_id", String(26), nullable=False),
    # Key of the content, wrapped by the exchange's; NULL for content that is not encrypted.
    Column("wrapped_key", LargeBinary, nullable=True),
    Column("pin_state", String(16), nullable=False),
    # Whether the network should hold it and does not yet.
    Column("is_pin_due", Boolean(create_constraint=False), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("owner_id", "cid", "visibility", "contract_id"),
    CheckConstraint("visibility IN ('PUBLIC', 'PARTIES', 'PRIVATE')", name="visibility_is_known"),
)
