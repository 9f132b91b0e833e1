"""The edge of production: the same configuration, with the deployment's names."""

from pathlib import Path
from typing import Final

from farmgate.app.edge.config import render
from farmgate.app.edge.descriptors import descriptor_set
from farmgate.app.edge.filters import DESCRIPTORS
from farmgate.app.edge.options import EdgeOptions

PRODUCTION: Final = EdgeOptions(
    host="0.0.0.0",  # noqa: S104 - A container's own network.
    rest_port=8080,
    admin_port=9901,
    upstreams=(("server-1", 50051), ("server-2", 50051)),
    stream_upstreams=(("stream", 50052),),
    origins=("https://app.example.com",),
    logs_calls=True,
)


def write(folder: Path) -> None:
    """Writes envoy.yaml and what it names. JSON is YAML, so one renderer does for both."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "envoy.yaml").write_text(render(PRODUCTION))
    write_parts(folder)


def write_parts(folder: Path) -> None:
    """Writes the files that the configuration names: the API's descriptors."""
    (folder / DESCRIPTORS).write_bytes(descriptor_set())
