"""What admins may set while the exchange runs: one row a key, with its type, default and rule."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

from farmgate.errors import DomainError

BOOL: Final = "BOOL"
INT: Final = "INT"
DECIMAL: Final = "DECIMAL"
STRING: Final = "STRING"
ENUM: Final = "ENUM"


class Key(NamedTuple):
    """A key.

    Attributes:
        kind: BOOL, INT, DECIMAL, STRING or ENUM.
        default: Its value as text until it is set.
        description: What it decides.
        low: Lowest number, or length for STRING.
        high: Highest number, or length for STRING.
        options: Values of an ENUM.
        below: A key whose value it may not exceed.
    """

    kind: str
    default: str
    description: str
    low: int = 0
    high: int = 0
    options: tuple[str, ...] = ()
    below: str = ""

    @property
    def rule(self) -> str:
        """Returns what a value must be, in words."""
        words = {
            BOOL: "must be true or false",
            INT: f"must be a whole number from {self.low} to {self.high}",
            DECIMAL: f"must be a decimal from {self.low} to {self.high}",
            STRING: f"must have at most {self.high} characters",
            ENUM: f"must be one of {', '.join(self.options)}",
        }[self.kind]
        return f"{words} and at most {self.below}" if self.below else words


_MONEY_MAX: Final = 10**12

# fmt: off
KEYS: Final[dict[str, Key]] = {
    "registration.enabled": Key(BOOL, "true", "Whether people may register themselves."),
    "trading.enabled": Key(BOOL, "true", "Whether orders are taken; false halts every instrument."),
    "trading.settlement_window_s": Key(INT, "60", "Seconds before the close whose trades make the settlement price.", 10, 3_600),
    "trading.default_calendar": Key(ENUM, "ALWAYS_OPEN", "Calendar of instruments that state none.", options=("ALWAYS_OPEN", "CBOT_GRAINS", "EURONEXT_MATIF", "ECX_SPOT", "MANDI_DAY")),
    "trading.maker_bps": Key(DECIMAL, "0.5", "Fee of resting orders in basis points, where an instrument states none.", -5, 50, below="trading.taker_bps"),
    "trading.taker_bps": Key(DECIMAL, "2.5", "Fee of incoming orders in basis points, where an instrument states none.", -5, 50),
    "trading.band_pct": Key(DECIMAL, "5", "Per cent of the price beyond which a trade starts a volatility auction.", 0, 50),
    "trading.volatility_auction_s": Key(INT, "60", "Seconds that a volatility auction lasts.", 5, 600),
    "trading.market_protection_ticks": Key(INT, "40", "Ticks from the best price within which market orders trade.", 1, 10_000),
    "trading.limit_mode": Key(ENUM, "VARIABLE_7PCT", "How a day's prices are limited.", options=("NONE", "VARIABLE_7PCT")),
    "contracts.enabled": Key(BOOL, "true", "Whether new forward contracts may be drafted."),
    "kyc.level1_order": Key(DECIMAL, "5000", "Most that one order of level 1 may be worth.", 0, _MONEY_MAX, below="kyc.level1_daily"),
    "kyc.level1_daily": Key(DECIMAL, "10000", "Most that level 1 may trade in a day.", 0, _MONEY_MAX, below="kyc.level2_daily"),
    "kyc.level2_daily": Key(DECIMAL, "250000", "Most that level 2 may trade in a day.", 0, _MONEY_MAX),
    "kyc.level2_contract": Key(DECIMAL, "500000", "Most that one forward contract of level 2 may be worth.", 0, _MONEY_MAX),
    "kyc.level2_withdraw": Key(DECIMAL, "50000", "Most that level 2 may withdraw in a day.", 0, _MONEY_MAX),
    "kyc.validity_months": Key(INT, "24", "Months that an approval holds.", 1, 120),
    "kyc.max_attempts": Key(INT, "5", "Attempts at one level.", 1, 100),
    "trading.bust_window_min": Key(INT, "8", "Minutes in which a party may ask for the review of a trade.", 1, 1_440),
    "trading.non_reviewable_ticks": Key(INT, "20", "Ticks from the trade before within which a price is never reviewed.", 0, 10_000),
    "trading.block_min_lots": Key(INT, "50", "Least lots of a trade agreed outside the book.", 1, 1_000_000),
    "contracts.sign_by_default_h": Key(INT, "72", "Hours to sign when the terms state no time.", 1, 720),
    "contracts.sign_by_max_d": Key(INT, "30", "Days that the time to sign may be ahead.", 1, 365),
    "contracts.tolerance_pct": Key(DECIMAL, "2", "Tolerance of quantity when the terms state none.", 0, 10),
    "contracts.buyer_deposit_pct": Key(DECIMAL, "10", "Deposit of the buyer when the terms state none.", 0, 100),
    "contracts.seller_deposit_pct": Key(DECIMAL, "5", "Deposit of the seller when the terms state none.", 0, 100),
    "contracts.deposit_timeout_h": Key(INT, "72", "Hours to bring a deposit after both signed.", 1, 720),
    "contracts.acceptance_days": Key(INT, "5", "Business days after which a statement counts as accepted.", 1, 60),
    "contracts.dispute_days": Key(INT, "10", "Business days after its issue in which a statement may be disputed.", 1, 60),
    "contracts.market_difference": Key(ENUM, "ONE_WAY", "Whether a default pays the market difference one way or both, when the terms do not say.", options=("ONE_WAY", "TWO_WAY")),
    "contracts.grace_days": Key(INT, "5", "Days after the window in which deliveries are still taken.", 0, 60),
    "users.erase_after_d": Key(INT, "14", "Days from the closing of an account until its owner is forgotten.", 0, 365),
    "chain.required": Key(BOOL, "true", "Whether a contract waits for the chain before it is in force."),
    "ai.retrain_days": Key(INT, "7", "Days between two trainings of the models that forecast.", 1, 365),
    "ui.banner": Key(STRING, "", "A line that the web frontend shows to everybody.", 0, 500),
}
# fmt: on


def checked(key: str, value: str, current: Mapping[str, str]) -> str:
    """Returns a value in the form it is kept in.

    Args:
        key: The key.
        value: What it should be.
        current: The values of all keys now.

    Raises:
        DomainError: CONFIG_UNKNOWN_KEY or CONFIG_INVALID.
    """
    if key not in KEYS:
        raise DomainError("CONFIG_UNKNOWN_KEY", key=key)
    row = KEYS[key]
    refusal = DomainError("CONFIG_INVALID", key=key, rule=row.rule)
    if row.kind == STRING:
        if len(value) > row.high or not all(c.isprintable() for c in value):
            raise refusal
        return value
    text = value.strip()
    if row.kind == BOOL:
        if text not in {"true", "false"}:
            raise refusal
        return text
    if row.kind == ENUM:
        if text not in row.options:
            raise refusal
        return text
    number = _number(text, refusal)
    if not row.low <= number <= row.high or (row.kind == INT and number != int(number)):
        raise refusal
    _check_order(key, number, current)
    return str(int(number)) if row.kind == INT else f"{number.normalize():f}"


def _number(text: str, refusal: DomainError) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise refusal from error
    if not number.is_finite() or len(text) > 32:  # noqa: PLR2004 - More digits than any rule allows.
        raise refusal
    return number


def _check_order(key: str, number: Decimal, current: Mapping[str, str]) -> None:
    for name, row in KEYS.items():
        if name == key and row.below and number > Decimal(current[row.below]):
            raise DomainError("CONFIG_INVALID", key=key, rule=f"may not exceed {row.below}")
        if row.below == key and Decimal(current[name]) > number:
            raise DomainError("CONFIG_INVALID", key=key, rule=f"may not be below {name}")
