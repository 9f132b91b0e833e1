"""Writes the list of all components, Python's and Rust's, as CycloneDX 1.6, from the lock files."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT: Final = Path(__file__).parents[1]
TARGET: Final = ROOT / "target/sbom.json"
_REQUIREMENT: Final = re.compile(
    r"^([a-z0-9][a-z0-9._-]*)(?:\[[^\]]*\])?==([^ ;\\]+)", re.MULTILINE
)


def components() -> Iterator[Component]:
    """Yields every locked package of both languages."""
    for name, version in _REQUIREMENT.findall((ROOT / "requirements.lock").read_text()):
        yield _component("pypi", name, version)
    for package in tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]:
        # What has no source is our own.
        if "source" in package:
            yield _component(
                "cargo", package["name"], package["version"], package.get("checksum", "")
            )


def document() -> str:
    """Returns the document."""
    product = Component(name="farmgate", type=ComponentType.APPLICATION, bom_ref="farmgate")
    bom = Bom(components=components())
    bom.metadata.component = product
    bom.register_dependency(product, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=2)


def _component(kind: str, name: str, version: str, sha256: str = "") -> Component:
    url = PackageURL(type=kind, name=name, version=version)
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else []
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        purl=url,
        bom_ref=url.to_string(),
        hashes=hashes,
    )


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(document() + "\n")
    sys.stdout.write(f"{target}\n")
