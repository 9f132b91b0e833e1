"""Files and functions are short, and what is left undone names its issue."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
GENERATED = ("python_server/farmgate/api/", "python_server/buf/", "proto/third_party/")
CODE = {".py", ".rs", ".sh"}
TEXT = CODE | {".md", ".proto", ".toml", ".yml", ".yaml", ".pyi"}
# Files longer than the limit, with the length they may not exceed: they shrink, they don't grow.
# A definition of the API is read beside its documentation and is as long as its module.
LONGER: dict[str, int] = {}
UNDONE = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))")
# A word that says nothing, and what says more.
BANNED_NAMES = {"utils", "util", "helpers", "common", "misc", "manager", "platform"}


def _tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = (name for name in listed.stdout.splitlines() if not name.startswith(GENERATED))
    return sorted(name for name in names if (ROOT / name).is_file())


FILES = _tracked()
PYTHON = [name for name in FILES if name.endswith(".py")]
RUST = [name for name in FILES if name.endswith(".rs")]


def _lines(name: str) -> list[str]:
    return (ROOT / name).read_text(encoding="utf-8").splitlines()


def _is_code(name: str) -> bool:
    return Path(name).suffix in CODE or name.startswith(("scripts/", ".ci/"))


def test_files_are_short() -> None:
    long = {name: len(_lines(name)) for name in FILES if _is_code(name)}
    faults = {
        name: count for name, count in long.items() if count > LONGER.get(name, FILE_LINES_MAX)
    }
    assert not faults


def test_list_of_longer_files_is_true() -> None:
    for name in LONGER:
        assert name in FILES, f"{name} is gone: strike it off."
        assert len(_lines(name)) > FILE_LINES_MAX, f"{name} is short enough: strike it off."


@pytest.mark.parametrize("name", PYTHON)
def test_functions_of_python_are_short(name: str) -> None:
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            count = node.end_lineno - node.lineno + 1
            assert count <= FUNCTION_LINES_MAX, f"{name}:{node.lineno} {node.name}: {count} lines"


@pytest.mark.parametrize("name", RUST)
def test_functions_of_rust_are_short(name: str) -> None:
    # rustfmt closes a function where its `fn` began.
    start = re.compile(r"^(\s*)(?:pub(?:\([\w:]+\))? )?(?:const |async )*fn (\w+)")
    begun: tuple[int, str, str] | None = None
    for number, line in enumerate(_lines(name), 1):
        found = start.match(line)
        if found and begun is None and not line.rstrip().endswith((";", "}")):
            begun = number, found[1], found[2]
        elif begun and line.rstrip() in {f"{begun[1]}}}", f"{begun[1]});"}:
            count = number - begun[0] + 1
            assert count <= FUNCTION_LINES_MAX, f"{name}:{begun[0]} {begun[2]}: {count} lines"
            begun = None


def test_what_is_left_undone_names_its_issue() -> None:
    faults = [
        f"{name}:{number}"
        for name in FILES
        if Path(name).suffix in TEXT and name != "tests/contract/test_tidy.py"
        for number, line in enumerate(_lines(name), 1)
        if UNDONE.search(line)
    ]
    assert not faults


def test_text_is_clean() -> None:
    faults = []
    for name in FILES:
        if Path(name).suffix not in TEXT or name.startswith("envoy/"):
            continue
        text = (ROOT / name).read_text(encoding="utf-8")
        if text and (not text.endswith("\n") or text.endswith("\n\n") or "\r" in text):
            faults.append(name)
        if any(line != line.rstrip() for line in text.splitlines()):
            faults.append(f"{name}: blanks at the ends of lines")
    assert not faults


def test_modules_are_named_for_what_they_hold() -> None:
    parts = {part for name in PYTHON + RUST for part in Path(name).with_suffix("").parts}
    assert not parts & BANNED_NAMES
    assert all(re.fullmatch(r"[a-z0-9_]+", Path(name).stem) for name in PYTHON + RUST)


def test_scripts_can_be_run_and_stop_at_a_fault() -> None:
    scripts = [name for name in FILES if name.startswith((".ci/", "scripts/"))]
    shell = [name for name in scripts if _lines(name)[0].endswith("bash")]
    assert {".ci/run", "scripts/check-generated", "scripts/install-test-tools"} <= set(shell)
    for name in shell:
        assert (ROOT / name).stat().st_mode & 0o111, f"{name} is not executable."
        assert "set -euo pipefail" in _lines(name), name
