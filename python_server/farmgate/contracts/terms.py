"""What both parties agree on: complete, in canonical form, and in words to sign. Pure."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from farmgate.api.contracts.v1 import contract_terms_pb2
from farmgate.blockchain.facade import ForwardContract
from farmgate.contracts.rules import PriceType, Pricing
from farmgate.contracts.values import Contract
from farmgate.errors import DomainError, invalid

Terms = contract_terms_pb2.ContractTerms
CANONICAL_BYTES_MAX: Final = 256 * 1024
SCHEMA: Final = "farmgate.forward/1"
# What each type of price needs to be stated.
_PRICE_NEEDS: Final = {
    PriceType.FIXED: ("fixed_price",),
    PriceType.BASIS: ("basis", "reference_series", "pricing_deadline"),
    PriceType.HTA: ("reference_series", "pricing_deadline"),
    PriceType.FORMULA: ("reference_series", "formula"),
    PriceType.MIN_PRICE: ("floor", "reference_series", "pricing_deadline"),
    PriceType.MAX_PRICE: ("cap", "reference_series", "pricing_deadline"),
    PriceType.COLLAR: ("floor", "cap", "reference_series", "pricing_deadline"),
    PriceType.DEFERRED: ("reference_series", "pricing_deadline"),
}
_ENUMS: Final = {
    "type": ("PriceType", "PRICE_TYPE_"),
    "pricer": ("Party", "PARTY_"),
    "aggregate": ("Aggregate", "AGGREGATE_"),
    "incoterm": ("Incoterm", "INCOTERM_"),
    "mode": ("TransportMode", "TRANSPORT_MODE_"),
    "timing": ("PaymentTiming", "PAYMENT_TIMING_"),
    "rules": ("ContractRules", "CONTRACT_RULES_"),
    "market_difference": ("MarketDifference", "MARKET_DIFFERENCE_"),
    "tolerance_option": ("Party", "PARTY_"),
    "overfill_policy": ("OverfillPolicy", "OVERFILL_POLICY_"),
}
# Shorter names that the canonical form has had from its first version.
_NAMES: Final = {
    "commodity_code": "commodity",
    "grade_code": "grade",
    "location_code": "location",
    "fixed_price": "value",
}


def missing(terms: Terms) -> list[str]:
    """Returns the names of what must still be stated before the contract can be signed."""
    found = [
        name for name in ("commodity_code", "grade_code", "quantity", "unit", "rules")
        if not getattr(terms, name)
    ]  # fmt: skip
    found += [
        f"delivery.{name}"
        for name in ("start", "end", "location_code", "incoterm")
        if not getattr(terms.delivery, name)
    ]
    if not terms.price.type:
        found.append("price.type")
    if not terms.price.currency:
        found.append("price.currency")
    needs = _PRICE_NEEDS.get(PriceType(terms.price.type), ()) if terms.price.type else ()
    found += [f"price.{name}" for name in needs if not _is_stated(terms.price, name)]
    return found


def check(terms: Terms) -> None:
    """Checks what is stated against itself.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    if terms.quantity and Decimal(terms.quantity) <= 0:
        raise invalid("quantity", "must be more than 0")
    if terms.tolerance_pct and Decimal(terms.tolerance_pct) > 10:  # noqa: PLR2004 - Per cent.
        raise invalid("tolerance_pct", "must be at most 10")
    for name in ("buyer_pct", "seller_pct"):
        text = getattr(terms.deposit, name)
        if text and Decimal(text) > 100:  # noqa: PLR2004 - Per cent.
            raise invalid(f"deposit.{name}", "must be at most 100")
    _check_days(terms)
    _check_price(terms)


def day(field: str, text: str) -> date | None:
    """Returns a day, or None when none is stated.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise invalid(field, "must be a day such as 2026-12-31") from error


def pricing(terms: Terms) -> Pricing:
    """Returns what the terms say of the price."""
    price = terms.price

    def number(text: str) -> Decimal:
        return Decimal(text or "0")

    return Pricing(
        PriceType(price.type or PriceType.FIXED),
        fixed=number(price.fixed_price),
        basis=number(price.basis),
        futures=number(price.futures_price),
        floor=Decimal(price.floor) if price.floor else None,
        cap=Decimal(price.cap) if price.cap else None,
        fee=number(price.service_fee),
        monthly_fee=number(price.monthly_fee),
        differential=number(price.formula.differential),
    )


def stated_price(terms: Terms) -> str:
    """Returns the price that the terms state for their type, "" when it comes of the market."""
    price = terms.price
    if PriceType(price.type or PriceType.FIXED) is PriceType.FIXED:
        return price.fixed_price
    return price.futures_price or price.floor


def canonical(terms: Terms, contract_id: str, version: int) -> str:
    """Returns the terms in the one form that is hashed: RFC 8785, decimals as strings.

    Raises:
        DomainError: PAYLOAD_TOO_LARGE.
    """
    stated = _plain(terms)
    stated |= {"schema": SCHEMA, "contract_id": contract_id, "version": version}
    text = json.dumps(stated, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    size = len(text.encode())
    if size > CANONICAL_BYTES_MAX:
        raise DomainError("PAYLOAD_TOO_LARGE", size_bytes=size, size_bytes_max=CANONICAL_BYTES_MAX)
    return text


def signed_form(contract: Contract) -> ForwardContract:
    """Returns what the wallets of both parties sign."""
    terms = contract.message()
    assert contract.sign_by is not None, "It was submitted."
    tolerance = terms.tolerance_pct or "0"
    price = terms.price
    kind = PriceType(price.type).name
    value = stated_price(terms) or price.basis or price.cap
    words = f"{value} {price.currency}/{terms.unit} {kind}" if value else f"{kind} {price.currency}"
    return ForwardContract(
        contract_id=contract.id,
        version=contract.version,
        seller=contract.seller_wallet,
        buyer=contract.buyer_wallet,
        commodity=f"{terms.commodity_code} {terms.grade_code}"[:64],
        quantity=f"{terms.quantity} {terms.unit} +/-{tolerance}%"[:64],
        price=words[:128],
        delivery_start=_seconds(terms.delivery.start),
        delivery_end=_seconds(terms.delivery.end) + 86_399,
        terms_hash=bytes.fromhex(contract.terms_hash.removeprefix("0x")),
        terms_cid=contract.terms_cid,
        sign_by=int(contract.sign_by.timestamp()),
    )


def patch(before: Any, after: Any, path: str = "") -> list[dict[str, Any]]:
    """Returns what changes terms in canonical form into others, as a JSON Patch (RFC 6902)."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return [] if before == after else [{"op": "replace", "path": path, "value": after}]
    found: list[dict[str, Any]] = []
    for name in sorted(before.keys() | after.keys()):
        # Names of terms have neither "/" nor "~", so they need no escapes.
        place = f"{path}/{name}"
        if name not in after:
            found.append({"op": "remove", "path": place})
        elif name not in before:
            found.append({"op": "add", "path": place, "value": after[name]})
        else:
            found += patch(before[name], after[name], place)
    return found


def _seconds(text: str) -> int:
    found = date.fromisoformat(text)
    return int(datetime(found.year, found.month, found.day, tzinfo=UTC).timestamp())


def _plain(message: Any) -> dict[str, Any]:
    """Returns what is stated in a message; what is empty is left out."""
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        name = _NAMES.get(field.name, field.name)
        if field.is_repeated:
            found[name] = [_plain(one) for one in value]
        elif field.name == "sign_by":
            # Signed beside the terms; it does not belong to what is delivered and paid.
            continue
        elif field.message_type is not None:
            found[name] = _plain(value)
        elif field.enum_type is not None:
            kind, prefix = _ENUMS[field.name]
            enum = getattr(contract_terms_pb2, kind)
            found[name] = enum.Name(value).removeprefix(prefix)
        else:
            found[name] = value
    return found


def _check_days(terms: Terms) -> None:
    start = day("delivery.start", terms.delivery.start)
    end = day("delivery.end", terms.delivery.end)
    if start and end and end < start:
        raise invalid("delivery.end", "must not be before delivery.start")
    effective = day("effective_date", terms.effective_date)
    if effective and start and effective > start:
        raise invalid("effective_date", "must not be after delivery.start")
    deadline = day("price.pricing_deadline", terms.price.pricing_deadline)
    if deadline and end and deadline > end:
        raise invalid("price.pricing_deadline", "must not be after delivery.end")


def _is_stated(price: contract_terms_pb2.PriceTerms, name: str) -> bool:
    if name == "formula":
        formula = price.formula
        return bool(formula.aggregate and formula.window_start and formula.window_end)
    return bool(getattr(price, name))


def _check_price(terms: Terms) -> None:
    price = terms.price
    start = day("price.formula.window_start", price.formula.window_start)
    end = day("price.formula.window_end", price.formula.window_end)
    if start and end and end < start:
        raise invalid("price.formula.window_end", "must not be before window_start")
    if price.floor and price.cap and Decimal(price.floor) > Decimal(price.cap):
        raise invalid("price.cap", "must not be below price.floor")
    if price.fixed_price and Decimal(price.fixed_price) <= 0:
        raise invalid("price.fixed_price", "must be more than 0")
