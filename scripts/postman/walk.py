"""The first folder of the collection: a trade from sign-in to balances, checked step by step."""

import json
from typing import Any, Final

_SYMBOL: Final = "SOYBEAN-US2Y-CHI"


def folder() -> dict[str, Any]:
    """Returns the folder."""
    return {
        "name": "First trade",
        "description": "Jan sells, Meridian buys. Run the folder as a whole, in its order.",
        "item": [
            _login("Jan signs in", "farmer.jan", "jan"),
            _login("Meridian signs in", "trader.meridian", "token"),
            _login("Ada signs in", "admin", "admin"),
            _step(
                "Jan offers twelve lots", "POST", "/v1/trading/orders", "jan",
                _order("SIDE_SELL", 12),
                'pm.test("is open", () => pm.expect(body.order.status).to.equal('
                '"ORDER_STATUS_NEW"));',
                'pm.collectionVariables.set("order_id", body.order.order_id);',
            ),
            _step(
                "Meridian takes five", "POST", "/v1/trading/orders", "token",
                _order("SIDE_BUY", 5),
                'pm.test("is filled", () => pm.expect(body.order.status).to.equal('
                '"ORDER_STATUS_FILLED"));',
            ),
            _step(
                "Jan looks at the order", "GET", "/v1/trading/orders/{{order_id}}", "jan", None,
                'pm.test("five are gone", () => pm.expect(body.order.filled_lots).to.equal("5"));',
            ),
            _step(
                "An order off the tick is refused", "POST", "/v1/trading/orders", "token",
                _order("SIDE_BUY", 1) | {"price": "10.2876"},
                'pm.test("says why", () => pm.expect(body.details[0].reason).to.equal('
                '"PRICE_TICK"));',
                status=400,
            ),
            _step(
                "Jan cancels the rest", "DELETE", "/v1/trading/orders/{{order_id}}", "jan", None,
                'pm.test("is cancelled", () => pm.expect(body.order.status).to.equal('
                '"ORDER_STATUS_CANCELLED"));',
            ),
            _step(
                "Meridian's balances", "GET", "/v1/wallet/balances", "token", None,
                'pm.test("are there", () => pm.expect(body.balances).to.not.be.empty);',
            ),
            _step(
                "The book", "GET", f"/v1/trading/orderbook?symbol={_SYMBOL}&depth=3", "", None,
                'pm.test("has both sides", () => {pm.expect(body.bids).to.not.be.empty; '
                "pm.expect(body.asks).to.not.be.empty;});",
            ),
        ],
    }  # fmt: skip


def _login(name: str, user: str, variable: str) -> dict[str, Any]:
    body = {"email": f"{user}@farmgate.example", "password": "{{password}}"}
    kept = f'pm.collectionVariables.set("{variable}", body.access_token);'
    return _step(name, "POST", "/v1/auth/login", "", body, kept)


def _order(side: str, lots: int) -> dict[str, Any]:
    return {
        "client_order_id": "{{$guid}}",
        "symbol": _SYMBOL,
        "side": side,
        "type": "ORDER_TYPE_LIMIT",
        "price": "10.2875",
        "quantity_lots": str(lots),
    }


def _step(
    name: str, verb: str, path: str, token: str, body: Any, *script: str, status: int = 200
) -> dict[str, Any]:
    lines = [
        f'pm.test("answers {status}", () => pm.response.to.have.status({status}));',
        "const body = pm.response.json();",
        *script,
    ]
    request: dict[str, Any] = {
        "method": verb,
        "url": "{{base}}" + path,
        "header": [{"key": "content-type", "value": "application/json"}],
        "auth": {"type": "noauth"},
    }
    if token:
        held = [{"key": "token", "value": f"{{{{{token}}}}}", "type": "string"}]
        request["auth"] = {"type": "bearer", "bearer": held}
    if body is not None:
        request["body"] = {"mode": "raw", "raw": json.dumps(body, indent=1)}
    return {
        "name": name,
        "request": request,
        "event": [{"listen": "test", "script": {"type": "text/javascript", "exec": lines}}],
    }
