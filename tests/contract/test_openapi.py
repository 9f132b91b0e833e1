"""The OpenAPI document tells the REST API as it is."""

import json
from pathlib import Path

import pytest

from contract.test_api_rows import FIXED_ROWS
from farmgate.app.edge.descriptors import bindings
from farmgate.app.openapi import comments, schemas
from farmgate.health import pages

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs/openapi.json").read_text())


def test_every_path_of_the_api_is_told() -> None:
    """OPS-040: each verb and path, with the words of the proto and the answers to expect."""
    assert bindings()
    for binding in bindings():
        operation = DOCUMENT["paths"][binding.path][binding.verb.lower()]
        assert operation["summary"], binding
        assert {"200", "400", "429", "503"} <= set(operation["responses"]), binding
        variables = {one["name"] for one in operation.get("parameters", []) if "name" in one}
        assert all(f"{{{name}}}" not in binding.path or name in variables for name in variables)
    told = sum(len(operations) for operations in DOCUMENT["paths"].values())
    assert told == len(bindings())


@pytest.mark.parametrize("row", FIXED_ROWS.split("\n")[1:-1])
def test_each_fixed_row_is_in_the_document(row: str) -> None:
    verb, path, _ = row.split()
    assert verb.lower() in DOCUMENT["paths"][path]


def test_security_is_that_of_the_access_rules() -> None:
    """OPS-040: what is public needs no token, everything else says so."""
    for binding in bindings():
        security = DOCUMENT["paths"][binding.path][binding.verb.lower()]["security"]
        assert (not security) == binding.method.rule.is_public, binding
        schemes = {name for one in security for name in one}
        assert ("streamTicket" in schemes) == (
            binding.method.rule.accepts_stream_ticket and not binding.method.rule.is_public
        ), binding


def test_operation_ids_are_unique() -> None:
    ids = [
        operation["operationId"]
        for operations in DOCUMENT["paths"].values()
        for operation in operations.values()
    ]
    assert len(ids) == len(set(ids))


def test_references_lead_somewhere() -> None:
    found = set()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                found.add(value["$ref"])
            for one in value.values():
                walk(one)
        elif isinstance(value, list):
            for one in value:
                walk(one)

    walk(DOCUMENT)
    for reference in found:
        place = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_schemas_have_the_rules_of_their_protos() -> None:
    """OPS-040: lengths, patterns, ranges, and 64 bits as text."""
    components = DOCUMENT["components"]["schemas"]
    farm = components["users_CreateFarmRequest"]
    assert "name" in farm["required"]
    assert farm["properties"]["name"]["maxLength"] > 0
    order = components["trading_CreateOrderRequest"]["properties"]
    assert order["quantity_lots"]["type"] == "string"
    assert order["side"]["$ref"].endswith("types_Side")


def test_names_of_components_are_short_and_apart() -> None:
    assert schemas.name_of("farmgate.api.users.v1.Farm.Crop") == "users_Farm_Crop"
    assert schemas.name_of("google.rpc.Status") == "google_rpc_Status"


def test_comments_give_examples() -> None:
    assert comments.example('Symbol, for example "CORN-US2Y-CHI".') == "CORN-US2Y-CHI"
    assert comments.example("Symbol.") is None


def test_pages_are_those_that_are_listed() -> None:
    """OPS-041: the page and its assets, and no other file."""
    for name in ("index.html", "docs.js", "docs.css", "swagger-ui.css", "swagger-ui-bundle.js"):
        page = pages.page(name)
        assert page is not None
        assert page.content
    for name in ("", "nothing.js", "../service.py", "/etc/passwd", "openapi.json"):
        assert pages.page(name) is None
    assert json.loads(pages.openapi().content) == DOCUMENT
