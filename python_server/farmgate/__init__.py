"""Farmgate: the backend of an agricultural-commodity exchange."""
