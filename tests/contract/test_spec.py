"""Every rule of docs/spec is shown by a test that names it, and tests name rules that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = re.compile(r"\b([A-Z]{3})-(\d{3})\b")
RANGE = re.compile(r"\b([A-Z]{3})-(\d{3}) to \1-(\d{3})\b")
ROW = re.compile(r"^\| ([A-Z]{3}-\d{3}) \|", re.MULTILINE)


def _rules() -> list[str]:
    texts = (path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("docs/spec/*.md")))
    return [code for text in texts for code in ROW.findall(text)]


def _named() -> tuple[set[str], set[str]]:
    """Codes that tests write out, and those inside a range they write."""
    written: set[str] = set()
    between: set[str] = set()
    for path in [*ROOT.glob("tests/**/*.py"), *ROOT.glob("matching_core/**/*.rs")]:
        text = path.read_text(encoding="utf-8")
        written |= {f"{prefix}-{number}" for prefix, number in CODE.findall(text)}
        for prefix, first, last in RANGE.findall(text):
            between |= {f"{prefix}-{number:03}" for number in range(int(first), int(last))}
    return written, between


def test_a_code_stands_for_one_rule() -> None:
    rules = _rules()
    assert len(rules) > 100
    assert len(rules) == len(set(rules))


def test_every_rule_is_named_by_a_test() -> None:
    written, between = _named()
    assert not set(_rules()) - written - between


def test_tests_name_rules_that_exist() -> None:
    rules = set(_rules())
    prefixes = {code[:3] for code in rules}
    written, _ = _named()
    assert not {code for code in written if code[:3] in prefixes} - rules
