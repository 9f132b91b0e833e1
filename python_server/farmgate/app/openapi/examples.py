"""Bodies of requests that work against the demonstration, by the name of their method."""

from collections.abc import Mapping
from typing import Any, Final

REQUESTS: Final[Mapping[str, Any]] = {
    "Register": {
        "email": "ines@example.com",
        "password": "a long enough passphrase",
        "display_name": "Ines Example",
        "role": "ROLE_FARMER",
        "country": "FR",
    },
    "Login": {"email": "farmer.jan@farmgate.example", "password": "Demo-Pass-2026!"},
    "CreateOrder": {
        "client_order_id": "docs-1",
        "symbol": "CORN-US2Y-CHI",
        "side": "SIDE_BUY",
        "type": "ORDER_TYPE_LIMIT",
        "time_in_force": "TIME_IN_FORCE_GTC",
        "price": "4.5000",
        "quantity_lots": "3",
    },
    "PreviewOrder": {
        "symbol": "CORN-US2Y-CHI",
        "side": "SIDE_BUY",
        "type": "ORDER_TYPE_MARKET",
        "quantity_lots": "3",
    },
    "AmendOrder": {"quantity_lots": "2"},
    "Deposit": {"asset": "USD", "amount": "1000.00"},
    "SetSystemConfig": {
        "key": "trading.taker_bps",
        "value": "2.5",
        "reason": "As published for December",
        "is_dry_run": True,
    },
}
