"""Order entry, order and trade history, execution reports."""
