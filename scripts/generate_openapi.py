"""Writes the OpenAPI document of the protos into the package that serves it."""

import subprocess
import sys
from pathlib import Path

from farmgate.app.openapi import comments, document

VERSION = "v1"


def main() -> None:
    """Writes it where the first argument says, or to its place."""
    built = subprocess.run(
        ["buf", "build", "proto", "--as-file-descriptor-set", "-o", "-"],  # noqa: S607
        check=True,
        capture_output=True,
    )
    place = "python_server/farmgate/health/openapi.json"
    target = Path(sys.argv[1] if len(sys.argv) > 1 else place)
    target.write_text(document.render(comments.read(built.stdout), version=VERSION))


if __name__ == "__main__":
    main()
