"""Decimals of prices and amounts, as text: integers in, no floats."""

from typing import Final

MICRO_DECIMALS: Final = 6
CASH_DECIMALS: Final = 4
COMMODITY_DECIMALS: Final = 3
# Codes of cash are ISO 4217; a commodity's names its grade and place, such as CORN.US2Y.CHI.
_CASH_CODE_LENGTH: Final = 3


def is_cash(asset: str) -> bool:
    """Returns whether an asset is money."""
    return len(asset) == _CASH_CODE_LENGTH


def scale_of(asset: str) -> int:
    """Returns how many decimals the minor unit of an asset stands for."""
    return CASH_DECIMALS if is_cash(asset) else COMMODITY_DECIMALS


def decimal(value: int, scale: int, keep: int) -> str:
    """Returns a value in units of ten to the minus `scale`, without zeros past `keep` decimals."""
    sign, value = ("-", -value) if value < 0 else ("", value)
    whole, fraction = divmod(value, 10**scale)
    text = f"{fraction:0{scale}d}" if scale else ""
    while len(text) > keep and text.endswith("0"):
        text = text[:-1]
    return f"{sign}{whole}.{text}" if text else f"{sign}{whole}"


def tick_decimals(tick_micro: int) -> int:
    """Returns how many decimals a tick in millionths needs."""
    decimals = MICRO_DECIMALS
    while decimals and tick_micro % 10 == 0:
        tick_micro //= 10
        decimals -= 1
    return decimals


def price(ticks: int, tick_micro: int) -> str:
    """Returns a price with the decimals of its tick; empty for no price."""
    if ticks == 0:
        return ""
    return decimal(ticks * tick_micro, MICRO_DECIMALS, tick_decimals(tick_micro))


def average_price(notional_ticks: int, lots: int, tick_micro: int) -> str:
    """Returns the quantity-weighted price of fills, rounded half up to 6 decimals."""
    if lots == 0:
        return ""
    micro = (2 * notional_ticks * tick_micro + lots) // (2 * lots)
    return decimal(micro, MICRO_DECIMALS, tick_decimals(tick_micro))


def cash(minor: int) -> str:
    """Returns an amount of cash."""
    return decimal(minor, CASH_DECIMALS, CASH_DECIMALS)
