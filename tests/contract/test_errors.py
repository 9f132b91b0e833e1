"""errors.proto, the catalogue and the code tell the same reasons."""

import re
from pathlib import Path
from string import Formatter

from farmgate.api.errors.v1 import errors_pb2
from farmgate.errors import DomainError
from farmgate.rpc.catalogue import CATALOGUE
from farmgate.rpc.refusals import status_of

ROOT = Path(__file__).parents[2]
PROTO = (ROOT / "proto/farmgate/api/errors/v1/errors.proto").read_text()
_ROW = re.compile(r"// (?P<comment>[^\n]*)\n  REASON_(?P<reason>\w+) = (?P<number>\d+);")
DOCUMENTED = {row["reason"]: row for row in _ROW.finditer(PROTO) if int(row["number"])}


def placeholders(reason: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(CATALOGUE[reason].message) if name}


def test_the_catalogue_has_every_reason_under_its_number() -> None:
    numbers = {
        name.removeprefix("REASON_"): number for name, number in errors_pb2.Reason.items() if number
    }
    assert {reason: entry.number for reason, entry in CATALOGUE.items()} == numbers
    assert set(DOCUMENTED) == set(numbers)


def test_the_code_is_the_documented_one() -> None:
    for reason, row in DOCUMENTED.items():
        code = re.search(r"Code (\w+)\.$", row["comment"])
        assert code is not None, reason
        assert code[1] == CATALOGUE[reason].code.name, reason


def test_the_words_mention_documented_metadata_only() -> None:
    for reason, row in DOCUMENTED.items():
        told = re.search(r"Metadata: ([\w, ]+)\.", row["comment"])
        documented = set(told[1].split(", ")) if told else set()
        assert placeholders(reason) <= documented | {"request_id"}, reason


def test_every_refusal_can_be_told() -> None:
    for reason in CATALOGUE:
        values = dict.fromkeys(placeholders(reason), "x")
        status = status_of(DomainError(reason, **values))
        assert status.code == CATALOGUE[reason].code.value[0]
        assert "{" not in status.message
        assert len(reason) <= 63


def test_the_code_raises_known_reasons_with_their_values() -> None:
    raised = re.compile(r'DomainError\(\s*"(\w+)"((?:[^()]|\([^()]*\))*)\)')
    found = 0
    for path in (ROOT / "python_server/farmgate").rglob("*.py"):
        for reason, rest in raised.findall(path.read_text()):
            found += 1
            assert reason in CATALOGUE, f"{path.name}: {reason}"
            if "**" not in rest:
                given = set(re.findall(r"(\w+)=", rest))
                assert placeholders(reason) <= given, f"{path.name}: {reason} {given}"
    assert found > 40
