"""docs/asvs.csv answers each row of OWASP's ASVS 5.0, levels 1 and 2; and what it rests on here."""

import ast
import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from authorization.declared import METHODS
from farmgate.api.options.v1 import options_pb2
from farmgate.telemetry import logs

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "python_server/farmgate"
STATUSES = {"test", "document", "not applicable", "open"}
# Rows of each chapter that levels 1 and 2 ask for.
ROWS_OF_CHAPTER = {
    "1": 27, "2": 11, "3": 19, "4": 10, "5": 9, "6": 35, "7": 18, "8": 7, "9": 7, "10": 29,
    "11": 14, "12": 9, "13": 13, "14": 9, "15": 13, "16": 16, "17": 7,
}  # fmt: skip


def rows() -> list[dict[str, str]]:
    with (ROOT / "docs/asvs.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_row_has_an_answer() -> None:
    """AUT-043."""
    found = rows()
    assert Counter(one["id"].partition(".")[0] for one in found) == ROWS_OF_CHAPTER
    assert len({one["id"] for one in found}) == len(found)
    for one in found:
        assert one["level"] in {"1", "2"}, one
        assert one["status"] in STATUSES, one
        assert one["about"], one
        assert one["answer"], one


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["id"])
def test_every_answer_is_there(row: dict[str, str]) -> None:
    """AUT-043: the test or the section that a row names exists."""
    answer = row["answer"]
    if row["status"] == "test":
        path, _, name = answer.partition("::")
        assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
    if row["status"] == "document":
        path, _, anchor = answer.partition("#")
        headings = re.findall(r"^#+ (.*)$", (ROOT / path).read_text(), re.MULTILINE)
        assert not anchor or anchor in {one.lower().replace(" ", "-") for one in headings}


def test_what_is_open_is_told() -> None:
    """AUT-043: SECURITY.md names each row that is not met."""
    told = (ROOT / "SECURITY.md").read_text()
    for one in rows():
        if one["status"] == "open":
            assert f"ASVS {one['id']}" in told


def trees() -> Iterator[tuple[Path, ast.AST]]:
    for path in SOURCES.rglob("*.py"):
        if "api" not in path.relative_to(SOURCES).parts:
            yield path, ast.parse(path.read_text())


def calls() -> Iterator[tuple[Path, str, ast.Call]]:
    """Yields each call of our code with the name that is called."""
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield path, ast.unparse(node.func), node


def test_no_sql_is_put_together_from_values() -> None:
    for path, name, call in calls():
        if name.rpartition(".")[2] in {"text", "exec_driver_sql", "literal_column", "copy"}:
            for argument in call.args:
                assert not isinstance(argument, ast.JoinedStr | ast.BinOp), (path, call.lineno)


def test_nothing_dangerous_is_called() -> None:
    banned = {
        "eval", "exec", "compile", "os.system", "os.popen", "pickle.load", "pickle.loads",
        "marshal.loads", "yaml.load", "tempfile.mktemp", "ssl._create_unverified_context",
        "asyncio.create_subprocess_shell", "xml.etree.ElementTree.fromstring",
    }  # fmt: skip
    for path, name, call in calls():
        assert name not in banned, (path, call.lineno)
        for keyword in call.keywords:
            is_said = (keyword.arg, ast.unparse(keyword.value))
            assert is_said not in {
                ("shell", "True"), ("verify", "False"), ("allow_pickle", "True"),
                ("check_hostname", "False"), ("autoescape", "False"),
            }, (path, call.lineno)  # fmt: skip


def test_no_client_follows_redirects() -> None:
    for path, _, call in calls():
        for keyword in call.keywords:
            if keyword.arg in {"follow_redirects", "allow_redirects"}:
                assert ast.unparse(keyword.value) == "False", (path, call.lineno)


def test_the_core_is_free_of_unsafe_code() -> None:
    assert re.search(r'^unsafe_code = "forbid"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    manifest = (ROOT / "matching_core/Cargo.toml").read_text()
    assert re.search(r"^\[lints\]\nworkspace = true", manifest, re.MULTILINE)
    assert "overflow-checks = true" in (ROOT / "Cargo.toml").read_text()


def test_secrets_come_from_the_system() -> None:
    """What may be guessed without harm is all that `random` is for."""
    harmless = {"app/bots.py", "client/connection.py", "notifications/courier.py"}
    for path, tree in trees():
        for node in ast.walk(tree):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if "random" in names:
                assert str(path.relative_to(SOURCES)) in harmless


def test_no_weak_hash_is_used() -> None:
    weak = re.compile(r"\b(md5|sha1|MD5|SHA1|Md5|Sha1)\b")
    for path in [*SOURCES.rglob("*.py"), *(ROOT / "matching_core/src").rglob("*.rs")]:
        if "api" not in path.parts:
            assert not weak.search(path.read_text()), path


def test_reading_verbs_change_nothing() -> None:
    # A look at somebody's document leaves an audit row, which is all it changes.
    looks = {"GetKycDocument"}
    for method in METHODS:
        if any(verb == "GET" for verb, _ in method.rest) and method.access.mutates:
            assert method.descriptor.name in looks, method.path


def test_no_secret_is_in_an_address() -> None:
    # A browser's EventSource can send nothing else: a ticket is good once, for 60 s.
    tickets = {"ticket", "stream_ticket"}
    for method in METHODS:
        for verb, path in method.rest:
            in_path = set(re.findall(r"\{(\w+)", path))
            for field in method.descriptor.input_type.fields:
                is_shown = field.name in in_path or verb in {"GET", "DELETE"}
                is_secret = field.GetOptions().Extensions[options_pb2.sensitive]
                if field.name not in tickets:
                    assert not (is_shown and is_secret), (method.path, field.name)


def test_envoy_redirects_nowhere() -> None:
    text = (ROOT / "envoy/envoy.yaml").read_text()
    assert "redirect:" not in text
    assert "UNESCAPE_AND_REDIRECT" not in text


def test_a_log_line_can_not_be_forged(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    logs.configure(level="DEBUG", file=path)
    try:
        forged = 'x\n{"event": "forged"}\r\u2028\x1b[2J'
        logs.logger("test").warning("one", note=forged)
    finally:
        logs.configure(level="WARNING")
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["note"] == forged


def test_no_secret_is_in_the_repository() -> None:
    """AUT-044: what SECURITY.md says of keys in tests."""
    secret = re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_\w{36}|\bxox[abp]-\w{10}"
        r"|\bfg[kr]_[\w-]{40}|eyJ[\w-]{20,}\.eyJ[\w-]{20,}\.[\w-]{40,}"
    )
    assert secret.search("-----BEGIN RSA " + "PRIVATE KEY-----")
    folders = (
        "python_server", "tests", "scripts", "docs", "envoy", "proto", "benchmarks",
        "matching_core/src", "matching_core/tests",
    )  # fmt: skip
    looked_at = 0
    for folder in folders:
        for path in (ROOT / folder).rglob("*"):
            parts = set(path.relative_to(ROOT).parts)
            if path.is_file() and path.suffix not in {".so", ".pyc"} and "target" not in parts:
                looked_at += 1
                assert not secret.search(path.read_text(errors="replace")), path
    assert looked_at > 500
