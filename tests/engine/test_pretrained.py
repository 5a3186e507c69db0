"""Trees that were trained on other series, as a member."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from apps.engine import Spec, errors, forecast, load_bundle, pretrained, train
from apps.engine.forecasters import PRETRAINED

from . import panels

HORIZON = 6


@pytest.fixture(scope="module")
def trees() -> pretrained.Pretrained:
    return panels.trained_before(panels.monthly().frequency, 12)


def test_alone_it_forecasts_what_the_trees_learnt_elsewhere_without_training(trees):
    panel = panels.monthly(10, seed=5)
    found = forecast(panel, Spec(HORIZON, forecaster=PRETRAINED, pretrained=trees))
    naive = forecast(panel, Spec(HORIZON, forecaster="seasonal_naive"))
    t = np.arange(72, 72 + HORIZON)
    course = np.stack([100 + 20 * s + 0.3 * t + 10 * np.sin(2 * np.pi * t / 12 + s) for s in range(10)])
    assert found.training.selected == PRETRAINED
    assert np.abs(found.mean - course).mean() < 0.7 * np.abs(naive.mean - course).mean()


def test_the_bundle_holds_the_trees_and_where_they_are_from(trees):
    found = train(panels.monthly(2), Spec(HORIZON, forecaster=PRETRAINED, pretrained=trees))
    content = pretrained.bundle.unpack(found.bundle)
    member = next(each for each in content.meta["members"] if each["name"] == PRETRAINED)
    assert member["meta"]["pretrained"] == trees.sha256
    assert trees.text in content.texts.values()
    assert load_bundle(found.bundle).meta.members[-1] == PRETRAINED


def test_it_joins_what_auto_tries_and_is_said_to(trees):
    candidates = ("theta", PRETRAINED)
    found = forecast(panels.monthly(2), Spec(HORIZON, candidates=candidates, pretrained=trees))
    assert any("trained before" in each for each in found.choices)
    assert any(trees.sha256 in each for each in found.choices)
    tried = forecast(panels.monthly(1), Spec(HORIZON, effort="fast", pretrained=trees))
    assert PRETRAINED in [line.name for line in tried.training.leaderboard]


@pytest.mark.parametrize(
    ("frequency", "horizon", "reason"),
    [("D", 6, "trained for the unit"), ("MS", 13, "looks 12 steps ahead, 13 are asked for")],
)
def test_where_it_does_not_fit_it_is_left_out_with_the_reason(trees, frequency, horizon, reason):
    panel = panels.build(panels.seasonal(2), frequency)
    found = train(panel, Spec(horizon, candidates=("theta", PRETRAINED), pretrained=trees))
    line = next(each for each in found.leaderboard if each.name == PRETRAINED)
    assert line.error is not None
    assert reason in line.error


def test_without_trees_it_says_what_is_missing():
    found = train(panels.monthly(2), Spec(HORIZON, candidates=("theta", PRETRAINED)))
    line = next(each for each in found.leaderboard if each.name == PRETRAINED)
    assert "Spec.pretrained" in str(line.error)


def test_a_bundle_without_such_trees_is_refused():
    theta = train(panels.monthly(2), Spec(HORIZON, forecaster="theta")).bundle
    with pytest.raises(errors.NotPretrained, match="none of its members"):
        pretrained.read(theta)
    covariates = train(panels.retail(2), Spec(HORIZON, forecaster=pretrained.SOURCE, effort="fast")).bundle
    with pytest.raises(errors.NotPretrained, match="covariates"):
        pretrained.read(covariates)


def test_a_bundle_whose_trees_were_changed_is_refused(trees):
    data = train(panels.monthly(2), Spec(HORIZON, forecaster=pretrained.SOURCE, effort="fast")).bundle
    content = pretrained.bundle.unpack(data)
    texts = {name: text.replace("leaf_value=", "leaf_value=9") for name, text in content.texts.items()}
    with pytest.raises(errors.BundleDamaged):
        pretrained.read(pretrained.bundle.pack(dataclasses.replace(content, texts=texts)))


def test_other_trees_are_another_run_for_checkpoints(trees):
    from apps.engine import checkpoints
    from apps.engine.forecasters import FitContext

    other = dataclasses.replace(trees, sha256="0" * 64)
    keys = {checkpoints.digest([], FitContext(6, pretrained=each)) for each in (None, trees, other)}
    assert len(keys) == 3
