"""Nothing of the future reaches a forecast, and the same data gives the same model."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from farmgate.ai import artifact, backtest
from farmgate.ai.boosters import Model
from farmgate.ai.ensemble import fit, know, outlook
from farmgate.ai.panel import Panel
from farmgate.ai.styles import DAILY, MONTHLY
from unit.ai.walks import histories, panel_of

SIZES = {DAILY: 200, MONTHLY: 130}


def _with_another_future(panel: Panel, row: int) -> Panel:
    """Everything after a row is another story: other prices, even ones below 0."""
    prices = panel.prices.copy()
    after = prices[row + 1 :]
    prices[row + 1 :] = after[::-1] * 3 + np.arange(after.shape[1])
    prices[-1, 0] = -5.0
    return replace(panel, prices=prices)


@pytest.mark.parametrize("frequency", [DAILY, MONTHLY])
def test_a_changed_future_leaves_forecast_and_model_exactly_equal(frequency: str) -> None:
    """AIM-010."""
    panel = panel_of(histories(frequency, series=3, count=SIZES[frequency]), frequency)
    row = len(panel.days) - 1 - panel.style.horizon
    known, other = know(panel), know(_with_another_future(panel, row))
    first, second = fit(known, row), fit(other, row)
    assert first is not None
    assert second is not None
    assert first.texts == second.texts
    model = Model(first.texts)
    told, again = outlook(known, row, model), outlook(other, row, model)
    assert np.isfinite(told.quantiles).all()
    assert (told.quantiles == again.quantiles).all()
    walk = backtest.random_walk(known, row)
    assert (walk == backtest.random_walk(other, row)).all()


@pytest.mark.parametrize("frequency", [DAILY, MONTHLY])
def test_a_forecast_of_the_past_is_the_one_made_then(frequency: str) -> None:
    """AIM-010."""
    panel = panel_of(histories(frequency, series=3, count=SIZES[frequency]), frequency)
    row = len(panel.days) - 1 - panel.style.horizon
    known, then = know(panel), know(panel.until(row))
    boosters, before = fit(known, row), fit(then, row)
    assert boosters is not None
    assert boosters == before
    model = Model(boosters.texts)
    assert (outlook(known, row, model).quantiles == outlook(then, row, model).quantiles).all()


def test_two_retrains_give_one_hash_and_other_data_another() -> None:
    """AIM-011."""
    given = histories(MONTHLY, series=3, count=130)
    hashes = []
    for order in (given, given[::-1]):
        panel = panel_of(order, MONTHLY)
        packed = artifact.pack(panel, fit(know(panel), 129), {})
        hashes.append(packed.sha256)
    assert hashes[0] == hashes[1]
    dearer = tuple(
        price * 1.01 if row == 100 else price for row, price in enumerate(given[0].prices)
    )
    panel = panel_of([replace(given[0], prices=dearer), *given[1:]], MONTHLY)
    assert artifact.pack(panel, fit(know(panel), 129), {}).sha256 != hashes[0]


def test_an_artifact_that_was_touched_is_refused() -> None:
    """AIM-012."""
    panel = panel_of(histories(MONTHLY, series=2, count=60), MONTHLY)
    packed = artifact.pack(panel, None, {})
    assert artifact.unpack(packed.data, packed.sha256)["frequency"] == MONTHLY
    touched = packed.data.replace(b'"seed"', b'"sead"') + b" "
    with pytest.raises(artifact.ArtifactError, match="hash"):
        artifact.unpack(touched, packed.sha256)
    other = artifact.Artifact(
        packed.data.replace(b"farmgate.forecast/1", b"farmgate.forecast/9"), ""
    )
    with pytest.raises(artifact.ArtifactError, match="recipe"):
        artifact.unpack(other.data, hashlib.sha256(other.data).hexdigest())
