"""The documentation of the API as pages: the OpenAPI document and Swagger UI around it."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_HOME: Final = Path(__file__).parent
_TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
}
FIRST_PAGE: Final = "index.html"
_OWN: Final = frozenset({FIRST_PAGE, "docs.css", "docs.js"})
_SWAGGER: Final = frozenset({"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"})


@dataclass(frozen=True, slots=True)
class Page:
    """A file that a browser is given.

    Attributes:
        content_type: What it is.
        content: Its bytes.
    """

    content_type: str
    content: bytes


@cache
def openapi() -> Page:
    """Returns the OpenAPI document."""
    return _page(_HOME / "openapi.json")


@cache
def page(name: str) -> Page | None:
    """Returns a page or an asset of one by its name; None when there is none."""
    if name in _OWN:
        return _page(_HOME / "site" / name)
    if name in _SWAGGER:
        return _page(_swagger_folder() / name)
    return None


def _page(file: Path) -> Page:
    return Page(_TYPES[file.suffix], file.read_bytes())


def _swagger_folder() -> Path:
    # The package is found and not imported: it would bring web frameworks along.
    found = importlib.util.find_spec("swagger_ui")
    assert found is not None, "The package that carries Swagger UI is a dependency."
    assert found.submodule_search_locations, "It is a package."
    return Path(found.submodule_search_locations[0]) / "static"
