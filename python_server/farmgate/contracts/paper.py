"""A contract and a statement as people read them. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from farmgate.api.contracts.v1 import settlements_pb2
from farmgate.contracts.statements import Document
from farmgate.contracts.steps import STATE_NAMES
from farmgate.contracts.values import BUYER, SELLER, Contract, Delivery, Signature, Statement
from farmgate.ports.paper import Paper, Section, Table

_SIDES: Final = {SELLER: "Seller", BUYER: "Buyer"}
# Parts of the terms in the order in which people look for them; what else is stated follows.
_PARTS: Final = (
    ("Goods", ("commodity", "grade", "quantity", "unit", "tolerance_pct", "tolerance_option",
               "overfill_policy", "crop_year", "origin_farm_id", "schedule_id")),
    ("Price", ("price",)),
    ("Delivery", ("delivery",)),
    ("Payment and deposits", ("payment", "deposit")),
    ("Rules", ("rules", "law", "arbitration_body", "arbitration_seat", "force_majeure",
               "default_policy")),
)  # fmt: skip
_FOOTER: Final = "Made by Farmgate of the canonical form, which counts where the two differ."


class Side(NamedTuple):
    """A party as it stands on paper."""

    name: str
    wallet: str


def contract_paper(
    contract: Contract, version: int, canonical: str, people: Sequence[Side],
    signed: Sequence[Signature],
) -> Paper:  # fmt: skip
    """Returns a version of a contract, with its signatures.

    Args:
        contract: The contract.
        version: Version of the terms.
        canonical: The terms in canonical form.
        people: Seller and buyer.
        signed: Signatures of this version.
    """
    terms = json.loads(canonical)
    is_newest = version == contract.version
    sections = [Section("Parties", list(_parties(people)))]
    told = {"schema", "contract_id", "version", "clauses"}
    for heading, names in _PARTS:
        found = {name: terms[name] for name in names if name in terms}
        told |= found.keys()
        if found:
            sections.append(Section(heading, list(_facts(found))))
    rest = {name: value for name, value in terms.items() if name not in told}
    if rest:
        sections.append(Section("Also agreed", list(_facts(rest))))
    if clauses := terms.get("clauses"):
        texts = [f"{one.get('code', '')}: {one.get('text', '')}" for one in clauses]
        sections.append(Section("Clauses", paragraphs=texts))
    sections.append(Section("Signatures", _signatures(signed), ["Not signed."] * (not signed)))
    proof = [("Schema", terms["schema"]), ("Contract ID", contract.id)]
    if is_newest:
        proof += [("Keccak-256 of the terms", contract.terms_hash), ("CID", contract.terms_cid)]
        proof.append(("Transaction", contract.transaction_hash))
    sections.append(Section("Proof", proof))
    state = STATE_NAMES[contract.state] if is_newest else "an earlier version"
    at = max((one.signed_at for one in signed), default=contract.created_at)
    return Paper(
        f"Forward contract {contract.label}", f"Version {version}, {state}", at, sections, _FOOTER
    )


def statement_paper(
    contract: Contract, statement: Statement, document: Document, people: Sequence[Side],
    loads: Sequence[Delivery],
) -> Paper:  # fmt: skip
    """Returns a settlement statement, line by line."""
    tickets = {one.id: str(one.ticket) for one in loads}
    kinds = settlements_pb2.SettlementLineKind
    rows = [
        (
            tickets.get(line.delivery_id, ""),
            kinds.Name(line.kind).removeprefix("SETTLEMENT_LINE_KIND_").replace("_", " ").lower(),
            line.rule or line.note, line.quantity, line.unit_price, line.amount,
        )
        for line in document.lines
    ]  # fmt: skip
    table = Table(
        ("Ticket", "What", "Rule", "Quantity", "Price", f"Amount {document.currency}"), rows,
        (9, 18, 33, 15, 12, 17), numbers_from=3,
    )  # fmt: skip
    sums = [
        (name.capitalize(), f"{getattr(document, name)} {document.currency}")
        for name in ("gross", "adjustments", "fees", "net")
    ]
    sums.append(("Due", document.due_date))
    sections = [
        Section("Parties", list(_parties(people))),
        Section("Lines", table=table),
        Section("Sum", sums),
        Section("Proof", [("Statement ID", statement.id), ("SHA-256", statement.sha256)]),
    ]
    # Without the state: it changes, and what was issued does not.
    return Paper(
        f"Settlement statement {statement.number}", f"Forward contract {contract.label}",
        statement.issued_at, sections, _FOOTER,
    )  # fmt: skip


def _parties(people: Sequence[Side]) -> Iterator[tuple[str, str]]:
    for name, one in zip(_SIDES.values(), people, strict=True):
        yield name, f"{one.name}, {one.wallet}" if one.wallet else one.name


def _signatures(signed: Sequence[Signature]) -> list[tuple[str, str]]:
    return [
        (_SIDES[one.party], f"{one.wallet} on {one.signed_at.isoformat(timespec='seconds')}")
        for one in signed
    ]


def _facts(stated: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in stated.items():
        label = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _facts(value, f"{label} ")
        else:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            yield label.replace("_", " ").capitalize(), text
