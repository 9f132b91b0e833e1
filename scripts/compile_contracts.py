"""Compiles the registries of the chain into the artifacts that ship.

Run it after a change of a `.vy` file; a test compiles them again and compares.
"""

import hashlib
import json
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from vyper.compiler import compile_code

FOLDER: Final = Path(__file__).parents[1] / "python_server" / "farmgate" / "blockchain" / "abi"
_ERROR: Final = re.compile(r'method_id\("(?P<name>[A-Z]\w*)\((?P<types>[\w,]*)\)"')


def artifact(source: str) -> dict[str, Any]:
    """Returns the artifact of a contract's source.

    Vyper reverts with errors by their selectors and does not list them; they are listed here.
    """
    compiled = compile_code(source, output_formats=["abi", "bytecode"])
    errors = sorted(set(_ERROR.findall(source)))
    return {
        "compiler": f"vyper {metadata.version('vyper')}",
        "source_sha256": hashlib.sha256(source.encode()).hexdigest(),
        "abi": compiled["abi"] + [_error(name, types) for name, types in errors],
        "bytecode": compiled["bytecode"],
    }


def text_of(source: str) -> str:
    """Returns the artifact as it is kept."""
    return json.dumps(artifact(source), indent=1) + "\n"


def _error(name: str, types: str) -> dict[str, Any]:
    inputs = [{"name": "value", "type": one} for one in types.split(",") if one]
    return {"type": "error", "name": name, "inputs": inputs}


def main() -> int:
    """Writes the artifact beside each source."""
    for source in sorted(FOLDER.glob("*.vy")):
        source.with_suffix(".json").write_text(text_of(source.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
