"""Instruments, prices and market data."""
