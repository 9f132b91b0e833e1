"""History of trading: a projection of the journal, rebuilt from it whenever it is lost."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from farmgate.db.schema import BigKey, Ulid, UtcTime, metadata

# One row: how far history has come. Written in the transaction of the rows.
watermarks: Final = Table(
    "watermarks",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("time_ns", BigInteger, nullable=False),
)

orders: Final = Table(
    "orders",
    metadata,
    Column("order_id", BigKey, primary_key=True, autoincrement=False),
    Column("account", BigInteger, nullable=False),
    Column("instrument", Integer, nullable=False),
    Column("client_order_id", String(36), nullable=False),
    Column("side", SmallInteger, nullable=False),
    Column("order_type", SmallInteger, nullable=False),
    Column("time_in_force", SmallInteger, nullable=False),
    Column("post_only", SmallInteger, nullable=False),
    Column("self_trade_prevention", SmallInteger, nullable=False),
    Column("price_ticks", BigInteger, nullable=False),
    Column("quantity_lots", BigInteger, nullable=False),
    Column("filled_lots", BigInteger, nullable=False),
    Column("remaining_lots", BigInteger, nullable=False),
    Column("filled_notional_ticks", BigInteger, nullable=False),
    Column("fees_minor", BigInteger, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("cancel_reason", SmallInteger, nullable=False),
    Column("reject_reason", String(48), nullable=False),
    Column("expire_time_ns", BigInteger, nullable=False),
    Column("create_time_ns", BigInteger, nullable=False),
    Column("update_time_ns", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("stop_price_ticks", BigInteger, nullable=False, server_default="0"),
    Column("display_lots", BigInteger, nullable=False, server_default="0"),
    Column("min_lots", BigInteger, nullable=False, server_default="0"),
    Column("reduce_only", SmallInteger, nullable=False, server_default="0"),
    # Sequence at which it was accepted or refused; 0 for orders of before this was kept.
    Column("accept_sequence", BigInteger, nullable=False, server_default="0"),
    Index("ix_orders_account_order_id", "account", "order_id"),
)

# How a trade came about, when two agreed it outside the book.
KIND_BLOCK: Final = 3
# What a trade's status says.
STATUS_EXECUTED: Final = 1
STATUS_CORRECTED: Final = 2
STATUS_BUSTED: Final = 3

trades: Final = Table(
    "trades",
    metadata,
    Column("trade_id", BigKey, primary_key=True, autoincrement=False),
    Column("instrument", Integer, nullable=False),
    Column("price_ticks", BigInteger, nullable=False),
    Column("quantity_lots", BigInteger, nullable=False),
    Column("aggressor", SmallInteger, nullable=False),
    Column("maker_order", BigInteger, nullable=False),
    Column("maker_account", BigInteger, nullable=False),
    Column("maker_fee_minor", BigInteger, nullable=False),
    Column("taker_order", BigInteger, nullable=False),
    Column("taker_account", BigInteger, nullable=False),
    Column("taker_fee_minor", BigInteger, nullable=False),
    Column("trade_time_ns", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    # 1 between an order that came in and one that rested, 2 in an auction.
    Column("kind", SmallInteger, nullable=False, server_default="1"),
    # What a forward keeps of each side as deposit.
    Column("maker_deposit_minor", BigInteger, nullable=False, server_default="0"),
    Column("taker_deposit_minor", BigInteger, nullable=False, server_default="0"),
    # 1 as made, 2 corrected, 3 taken back; price, quantity and fees are those that hold now.
    Column("status", SmallInteger, nullable=False, server_default="1"),
    Index("ix_trades_instrument_trade_id", "instrument", "trade_id"),
    Index("ix_trades_maker_account_trade_id", "maker_account", "trade_id"),
    Index("ix_trades_taker_account_trade_id", "taker_account", "trade_id"),
)

# Trades that were taken back or corrected, with what they were before.
trade_changes: Final = Table(
    "trade_changes",
    metadata,
    Column("trade_id", BigKey, primary_key=True, autoincrement=False),
    Column("old_price_ticks", BigInteger, nullable=False),
    Column("old_quantity_lots", BigInteger, nullable=False),
    Column("new_price_ticks", BigInteger, nullable=False),
    Column("new_quantity_lots", BigInteger, nullable=False),
    Column("buyer_fee_minor", BigInteger, nullable=False),
    Column("seller_fee_minor", BigInteger, nullable=False),
    Column("change_time_ns", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    # 1 once the candles that the trade was in are made again.
    Column("in_candles", SmallInteger, nullable=False, server_default="0"),
)

# Trades whose review a party asked for.
trade_reviews: Final = Table(
    "trade_reviews",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("trade_id", BigInteger, nullable=False),
    Column("requested_by", Ulid, nullable=False),
    Column("requested_at", UtcTime, nullable=False),
    Column("reason", String(500), nullable=False),
    UniqueConstraint("trade_id", "requested_by"),
)

# Reports of trades agreed outside the book, of which two that meet make a trade.
block_reports: Final = Table(
    "block_reports",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("instrument", Integer, nullable=False),
    Column("price_ticks", BigInteger, nullable=False),
    Column("quantity_lots", BigInteger, nullable=False),
    Column("side", SmallInteger, nullable=False),
    Column("account", BigInteger, nullable=False),
    Column("counterparty", BigInteger, nullable=False),
    Column("reported_by", Ulid, nullable=False),
    Column("reported_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    # 0 until the other party reports the same.
    Column("trade_id", BigInteger, nullable=False, server_default="0"),
    Index(None, "counterparty", "trade_id"),
)

# Every movement of a balance; over one command and asset the totals sum to what came in.
ledger_entries: Final = Table(
    "ledger_entries",
    metadata,
    Column("sequence", BigKey, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("account", BigInteger, nullable=False),
    Column("asset", Integer, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("total_change", BigInteger, nullable=False),
    Column("held_change", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("reference", BigInteger, nullable=False),
    Column("post_time_ns", BigInteger, nullable=False),
    Index("ix_ledger_entries_account_sequence", "account", "sequence", "position"),
)

# What left by request of its owner: written before the core is asked, so that the limit of a day
# holds for many at once and a process that dies in between goes on. It is no projection.
withdrawals: Final = Table(
    "withdrawals",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("user_id", Ulid, nullable=False),
    Column("account", BigInteger, nullable=False),
    Column("asset", String(48), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    # Business day, in UTC.
    Column("day", String(10), nullable=False),
    # The caller's idempotency key; without one, the ID.
    Column("request_key", String(255), nullable=False),
    Column("state", String(16), nullable=False),
    # Of the core's command, once it is done.
    Column("sequence", BigInteger, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("user_id", "request_key"),
    CheckConstraint("amount_minor > 0", name="amount_is_positive"),
    CheckConstraint("state IN ('PENDING', 'DONE', 'REFUSED')", name="state_is_known"),
    Index(None, "account", "asset", "day"),
    Index(None, "state", "created_at"),
)

# Statements of account as they were drawn up. Their lines are history; the hash holds them to it.
account_statements: Final = Table(
    "account_statements",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("account", BigInteger, nullable=False),
    Column("period", SmallInteger, nullable=False),
    Column("start_date", String(10), nullable=False),
    Column("end_date", String(10), nullable=False),
    # Journal sequence of the last line.
    Column("through_sequence", BigInteger, nullable=False),
    # Totals at its end by asset, in minor units, as JSON.
    Column("closing", Text, nullable=False),
    # Opening, closing and fees by asset, as JSON.
    Column("balances", Text, nullable=False),
    Column("line_count", Integer, nullable=False),
    Column("trade_count", Integer, nullable=False),
    Column("open_contract_count", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("account", "period", "start_date"),
    Index(None, "account", "through_sequence"),
    Index(None, "period", "start_date"),
)
