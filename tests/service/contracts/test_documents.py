"""Contracts and statements as documents, over gRPC."""

import hashlib
import json

from farmgate.api.contracts.v1 import contract_terms_pb2, signing_pb2
from farmgate.ports.unixfs import cid_of
from farmgate.ports.wallets import keccak256
from service.contracts.conftest import KEYS, LOADS, Deal
from service.contracts.test_amendments import longer, signature

JSON = signing_pb2.DOCUMENT_FORMAT_JSON


async def test_contracts_and_statements_are_rendered_the_same_each_time(deal: Deal) -> None:
    """CON-070, CON-071, CON-072."""
    contract = await deal.active(
        terms=contract_terms_pb2.ContractTerms(
            clauses=[contract_terms_pb2.ContractClause(code="X1", text="Bags stay the seller's.")]
        )
    )
    name = contract.contract_id
    await deal.also("stranger", "farmer.jan")
    await deal.guarded("RenderDocument", contract_id=name)
    drafted = await deal.draft()
    draft = await deal.no("seller", "RenderDocument", contract_id=drafted.contract_id)
    assert draft == "CONTRACT_STATE"
    first = await deal.do("seller", "RenderDocument", contract_id=name)
    again = await deal.do("buyer", "RenderDocument", contract_id=name)
    assert (first.content_type, first.data[:5]) == ("application/pdf", b"%PDF-")
    assert first.data == again.data
    terms = await deal.do("admin", "RenderDocument", contract_id=name, format=JSON)
    assert terms.content_type == "application/json"
    assert f"0x{keccak256(terms.data).hex()}" == contract.terms_hash
    assert cid_of(terms.data) == contract.terms_cid

    # The version before an amendment is still what both had signed.
    made = (await deal.do("seller", "ProposeAmendment", **longer(name))).amendment
    for side in ("seller", "buyer"):
        await deal.do(side, "SignAmendment", **signature(KEYS[side], made))
    before = {"contract_id": name, "contract_version": 1}
    old = await deal.do("buyer", "RenderDocument", **before, format=JSON)
    assert old.data == terms.data
    new = await deal.do("buyer", "RenderDocument", contract_id=name, format=JSON)
    assert json.loads(new.data)["delivery"]["end"] == "2026-08-31"
    for form in (signing_pb2.DOCUMENT_FORMAT_PDF, JSON):
        given = {"contract_id": name, "contract_version": 3, "format": form}
        assert await deal.no("buyer", "RenderDocument", **given) == "NOT_FOUND"
    paper = await deal.do("buyer", "RenderDocument", **before)
    assert paper.data == (await deal.do("buyer", "RenderDocument", **before)).data

    await deal.taken(name, *LOADS[0])
    issued = (await deal.do("seller", "IssueStatement", contract_id=name)).statement
    of = {"contract_id": name, "statement_id": issued.statement_id}
    stated = await deal.do("buyer", "RenderDocument", **of, format=JSON)
    assert hashlib.sha256(stated.data).hexdigest() == issued.sha256
    assert cid_of(stated.data) == issued.document_cid
    paper = await deal.do("buyer", "RenderDocument", **of)
    await deal.do("seller", "AcceptStatement", **of, sha256=issued.sha256)
    assert paper.data == (await deal.do("seller", "RenderDocument", **of)).data
    missing = of | {"statement_id": "0" * 26}
    assert await deal.no("buyer", "RenderDocument", **missing) == "NOT_FOUND"
    others = of | {"contract_id": drafted.contract_id}
    assert await deal.no("buyer", "RenderDocument", **others) == "NOT_FOUND"
