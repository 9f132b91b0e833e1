"""A trained model as bytes: JSON with LightGBM's own text in it. Nothing in it is ever executed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any, Final

from farmgate.ai.boosters import ROUNDS, Boosters, parameters
from farmgate.ai.features import names_and_groups
from farmgate.ai.panel import Panel
from farmgate.ai.styles import QUANTILES, STYLES

FAMILY: Final = "ensemble"
# Changes with everything that changes a forecast made from the same bytes.
RECIPE: Final = "farmgate.forecast/1"


class ArtifactError(Exception):
    """The bytes are not those of the model, or of a recipe that this version does not know."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model.

    Attributes:
        data: Its bytes.
        sha256: Their hash, by which it is kept.
    """

    data: bytes
    sha256: str


def pack(panel: Panel, boosters: Boosters | None, profile: Mapping[str, Any]) -> Artifact:
    """Returns the artifact of what was learned from a panel.

    Args:
        panel: What it learned from.
        boosters: Member C; None where there were too few rows.
        profile: How the features were spread, for the check of drift.
    """
    document = {
        "recipe": RECIPE,
        "family": FAMILY,
        "frequency": panel.style.frequency,
        "style": asdict(panel.style),
        "quantiles": QUANTILES,
        "features": [name for name, _ in names_and_groups(panel.style)],
        "lightgbm": metadata.version("lightgbm"),
        "parameters": parameters(boosters.row_count) | {"rounds": ROUNDS} if boosters else {},
        "boosters": list(boosters.texts) if boosters else [],
        "rows": boosters.row_count if boosters else 0,
        "data_start": panel.days[0].isoformat(),
        "data_cutoff": panel.days[-1].isoformat(),
        "data_sha256": panel.sha256(),
        "profile": profile,
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    data = text.encode()
    return Artifact(data, hashlib.sha256(data).hexdigest())


def unpack(data: bytes, sha256: str) -> dict[str, Any]:
    """Returns the document of an artifact.

    Raises:
        ArtifactError: The hash differs, or the recipe or LightGBM's major version is another.
    """
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ArtifactError("The bytes do not have the hash they are kept under.")
    document: dict[str, Any] = json.loads(data)
    if document.get("recipe") != RECIPE or document.get("frequency") not in STYLES:
        raise ArtifactError(f"The recipe is {document.get('recipe')}, not {RECIPE}.")
    major = metadata.version("lightgbm").partition(".")[0]
    if str(document["lightgbm"]).partition(".")[0] != major:
        raise ArtifactError(f"It was made by LightGBM {document['lightgbm']}.")
    return document
