"""The edge of production: the same configuration, with the deployment's names."""

from pathlib import Path

from farmgate.app.edge.config import EdgeOptions, render
from farmgate.app.edge.descriptors import descriptor_set

PRODUCTION = EdgeOptions(
    host="0.0.0.0",  # noqa: S104 - A container's own network.
    rest_port=8080,
    admin_port=9901,
    upstreams=(("server", 50051),),
    origins=("https://app.example.com",),
)


def write(folder: Path) -> None:
    """Writes envoy.yaml and farmgate.binpb. JSON is YAML, so one renderer does for both."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "envoy.yaml").write_text(render(PRODUCTION))
    (folder / "farmgate.binpb").write_bytes(descriptor_set())
