"""Intervals from backtest windows: what is said of them, what is refused, and what paths are kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apps.engine import Spec, backtest, errors
from apps.engine.calibration import MAX_PATHS, Held, calibrate

from . import panels

HORIZON = 4
FEW, MANY = 3, 60


def windows_of(series: int, count: int = 2) -> list[backtest.Window]:
    panel = panels.build(panels.seasonal(series, 60))
    return backtest.plan(panel, Spec(HORIZON, windows=count), count)


def held_beside(windows: list[backtest.Window], spread: float = 1.0, seed: int = 0) -> list[Held]:
    """Forecasts that are off by normal errors as large as they say."""
    rng = np.random.default_rng(seed)
    return [
        Held(w.actual + rng.normal(0, spread, w.actual.shape), np.full(w.actual.shape, spread))
        for w in windows
    ]


def test_what_is_said_of_each_level_tells_how_many_errors_it_rests_on():
    windows = windows_of(MANY)
    found = calibrate(windows, held_beside(windows), Spec(HORIZON))
    assert found.described == [
        {"level": 80, "calibrated": True, "scores": 120, "needed": 4, "pooling": "step"},
        {"level": 95, "calibrated": True, "scores": 120, "needed": 19, "pooling": "step"},
    ]
    assert found.notes == []


def test_coverage_is_that_of_bands_from_the_other_windows_alone():
    windows = windows_of(MANY)
    found = calibrate(windows, held_beside(windows), Spec(HORIZON))
    assert found.coverage[80] == pytest.approx(0.8, abs=0.08)
    assert found.coverage[95] == pytest.approx(0.95, abs=0.05)
    worse = held_beside(windows)
    worse[0] = replace(worse[0], mean=worse[0].mean + 50)
    assert calibrate(windows, worse, Spec(HORIZON)).coverage[95] < 0.8


def test_too_few_errors_are_labelled_or_refused_as_asked():
    windows = windows_of(FEW, 1)
    held = held_beside(windows)
    found = calibrate(windows, held, Spec(HORIZON))
    assert [d["calibrated"] for d in found.described] == [False, False]
    assert (
        found.notes[1]
        == "The 95 % interval is the model's own, not calibrated: 3 backtest errors, 19 are needed."
    )
    with pytest.raises(errors.Uncalibrated, match="19 are needed") as caught:
        calibrate(windows, held, Spec(HORIZON, levels=(95,), uncalibrated="refuse"))
    assert caught.value.fields["needed"] == 19


def test_no_window_at_all_leaves_the_models_own_bands():
    found = calibrate([], [], Spec(HORIZON))
    assert not any(d["calibrated"] for d in found.described)
    assert found.coverage == {80: None, 95: None}
    assert found.paths.shape == (0, HORIZON)


def test_paths_are_whole_rows_and_not_too_many():
    windows = windows_of(MANY)
    held = held_beside(windows)
    held[0].mean[3, 1] = np.nan
    assert calibrate(windows, held, Spec(HORIZON)).paths.shape == (2 * MANY - 1, HORIZON)
    many = [windows[0]] * 50
    assert calibrate(many, held_beside(many), Spec(HORIZON, levels=())).paths.shape == (MAX_PATHS, HORIZON)
