"""Templates of contracts: what they presume and what they ask for."""

import json
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.json_format import ParseDict

from farmgate.contracts.terms import Terms
from farmgate.errors import DomainError


@dataclass(frozen=True, slots=True)
class Template:
    """A template; required names are those of `terms.missing`."""

    code: str
    name: str
    description: str
    terms: Terms
    required: tuple[str, ...]

    @property
    def schema(self) -> str:
        """Returns a JSON schema of what must be stated."""
        names = sorted({name.partition(".")[0] for name in self.required})
        return json.dumps(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "title": self.name,
                "type": "object",
                "required": names,
            }
        )

    @property
    def text(self) -> str:
        """Returns the contract as Markdown with places for what is agreed."""
        return (
            f"# {self.name}\n\n"
            "The seller sells and the buyer buys {{quantity}} {{unit}} of {{commodity_code}}, "
            "grade {{grade_code}}, tolerance {{tolerance_pct}} %.\n\n"
            "Delivery {{delivery.start}} to {{delivery.end}}, {{delivery.incoterm}} "
            "{{delivery.location_code}}.\n\n"
            "Price: {{price.type}} in {{price.currency}}. Rules: {{rules}}.\n"
        )


_COMMON: Final = (
    "commodity_code", "grade_code", "quantity", "unit", "delivery.start", "delivery.end",
    "delivery.location_code",
)  # fmt: skip


def _made(
    code: str, name: str, description: str, stated: dict[str, Any], *required: str
) -> Template:
    return Template(code, name, description, ParseDict(stated, Terms()), (*_COMMON, *required))


_FORCE_MAJEURE: Final = {"force_majeure": {"is_enabled": True}}
_US: Final = _FORCE_MAJEURE | {
    "rules": "CONTRACT_RULES_NGFA", "unit": "bu", "tolerance_pct": "2",
}  # fmt: skip
TEMPLATES: Final = {
    one.code: one
    for one in (
        _made(
            "US-CASH-FWD", "US cash forward", "A price for grain that is delivered later.",
            _US | {
                "price": {"type": "PRICE_TYPE_FIXED", "currency": "USD"},
                "delivery": {"incoterm": "INCOTERM_DAP", "mode": "TRANSPORT_MODE_TRUCK"},
            },
            "price.fixed_price",
        ),
        _made(
            "US-HTA", "US hedge-to-arrive", "The futures price now or later, the basis last.",
            _US | {
                "price": {"type": "PRICE_TYPE_HTA", "currency": "USD", "pricer": "PARTY_SELLER"},
                "delivery": {"incoterm": "INCOTERM_DAP", "mode": "TRANSPORT_MODE_TRUCK"},
            },
            "price.reference_series", "price.pricing_deadline",
        ),
        _made(
            "US-BASIS", "US basis contract", "The basis now, the futures price later.",
            _US | {
                "price": {"type": "PRICE_TYPE_BASIS", "currency": "USD", "pricer": "PARTY_SELLER"},
                "delivery": {"incoterm": "INCOTERM_DAP", "mode": "TRANSPORT_MODE_TRUCK"},
            },
            "price.basis", "price.reference_series", "price.pricing_deadline",
        ),
        _made(
            "US-MIN-PRICE", "US minimum price", "The market's price, but not below a floor.",
            _US | {
                "price": {
                    "type": "PRICE_TYPE_MIN_PRICE", "currency": "USD", "pricer": "PARTY_SELLER",
                },
                "delivery": {"incoterm": "INCOTERM_DAP", "mode": "TRANSPORT_MODE_TRUCK"},
            },
            "price.floor", "price.reference_series", "price.pricing_deadline",
        ),
        _made(
            "GAFTA-64-FOB", "GAFTA 64, FOB", "Grain in bulk on board a vessel.",
            _FORCE_MAJEURE | {
                "rules": "CONTRACT_RULES_GAFTA_64", "unit": "t", "tolerance_pct": "5",
                "price": {"type": "PRICE_TYPE_FIXED", "currency": "EUR"},
                "delivery": {"incoterm": "INCOTERM_FOB", "mode": "TRANSPORT_MODE_VESSEL"},
            },
            "price.fixed_price",
        ),
        _made(
            "EU-INCOGRAIN", "European Incograin", "Grain and oilseeds delivered in the Union.",
            _FORCE_MAJEURE | {
                "rules": "CONTRACT_RULES_CUSTOM", "law": "France", "unit": "t",
                "tolerance_pct": "5", "arbitration_body": "CAIP", "arbitration_seat": "Paris",
                "price": {"type": "PRICE_TYPE_FIXED", "currency": "EUR"},
                "delivery": {"incoterm": "INCOTERM_DELIVERED", "mode": "TRANSPORT_MODE_TRUCK"},
            },
            "price.fixed_price",
        ),
        _made(
            "COOP-POOL", "Co-op pool", "The mean price of a pool's season, for its members.",
            _FORCE_MAJEURE | {
                "rules": "CONTRACT_RULES_EXCHANGE", "unit": "bu", "tolerance_pct": "10",
                "price": {
                    "type": "PRICE_TYPE_FORMULA", "currency": "USD",
                },
                "delivery": {"incoterm": "INCOTERM_DELIVERED", "mode": "TRANSPORT_MODE_IN_STORE"},
            },
            "price.reference_series", "price.formula",
        ),
        _made(
            "IN-FORWARD", "Indian forward", "Spices and pulses ex warehouse.",
            _FORCE_MAJEURE | {
                "rules": "CONTRACT_RULES_EXCHANGE", "unit": "qtl", "tolerance_pct": "2",
                "price": {"type": "PRICE_TYPE_FIXED", "currency": "INR"},
                "delivery": {"incoterm": "INCOTERM_EXW", "mode": "TRANSPORT_MODE_TRUCK"},
            },
            "price.fixed_price",
        ),
    )
}  # fmt: skip


def template(code: str) -> Template:
    """Returns a template.

    Raises:
        DomainError: TEMPLATE_UNKNOWN.
    """
    if code not in TEMPLATES:
        raise DomainError("TEMPLATE_UNKNOWN", code=code)
    return TEMPLATES[code]
