"""Every forecaster x every check."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from apps.engine import errors
from apps.engine.backtest import predict_all
from apps.engine.bundle import Content, pack, unpack
from apps.engine.forecasters import REGISTRY, FitContext, Fitted
from apps.engine.panel import Panel
from apps.engine.serving.predictors import PREDICTORS
from apps.engine.serving.state import State

from . import panels

HORIZON = 6
pytestmark = pytest.mark.parametrize("name", list(REGISTRY))


def fit(name: str, panel: Panel, seed: int = 0) -> Fitted:
    return REGISTRY[name].fit(panel, FitContext(HORIZON, seed))


def test_it_gives_one_finite_row_of_the_horizon_for_each_series(name):
    fitted = fit(name, panels.monthly())
    points = fitted.predict(np.arange(4), HORIZON)
    assert points.mean.shape == points.sigma.shape == (4, HORIZON)
    assert np.isfinite(points.mean).all()
    assert (points.sigma > 0).all()


def test_the_same_seed_gives_the_same_state_byte_for_byte(name):
    def packed() -> bytes:
        state = fit(name, panels.monthly(), seed=3).state
        return pack(Content(dict(state.meta), state.arrays, {"model": state.text or ""}))

    assert packed() == packed()


def test_a_series_does_not_depend_on_the_rows_asked_beside_it(name):
    fitted = fit(name, panels.monthly())
    whole = fitted.predict(np.arange(4), HORIZON).mean
    assert np.array_equal(fitted.predict(np.asarray([2]), HORIZON).mean[0], whole[2])
    assert np.array_equal(fitted.predict(np.asarray([3, 0]), HORIZON).mean, whole[[3, 0]])


def test_a_shorter_horizon_is_the_beginning_of_a_longer_one(name):
    fitted = fit(name, panels.monthly())
    assert np.array_equal(
        fitted.predict(np.arange(4), 2).mean, fitted.predict(np.arange(4), HORIZON).mean[:, :2]
    )


def test_it_leaves_its_input_untouched(name):
    panel = panels.retail()
    before = (panel.values.copy(), panel.ds.copy(), {k: v.copy() for k, v in panel.known_future.items()})
    fit(name, panel)
    assert np.array_equal(panel.values, before[0])
    assert np.array_equal(panel.ds, before[1])
    assert all(np.array_equal(panel.known_future[k], v) for k, v in before[2].items())


def test_threads_that_share_its_predictor_get_the_same_numbers(name):
    fitted = fit(name, panels.monthly())
    expected = fitted.predict(np.arange(4), HORIZON).mean
    wrong: list[int] = []

    def ask(thread: int) -> None:
        for _ in range(20):
            if not np.array_equal(fitted.predict(np.arange(4), HORIZON).mean, expected):
                wrong.append(thread)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("factor", [1e-6, 1e9])
def test_other_units_give_the_same_forecast_in_those_units(name, factor):
    series = panels.seasonal()
    plain = predict_all(fit(name, panels.build(series)), HORIZON)
    scaled = predict_all(fit(name, panels.build([y * factor for y in series])), HORIZON) / factor
    spread = np.ptp(np.concatenate(series))
    assert np.abs(plain - scaled).max() < 0.05 * spread


def test_a_shifted_history_gives_a_forecast_shifted_by_about_as_much(name):
    series = panels.seasonal()
    plain = predict_all(fit(name, panels.build(series)), HORIZON)
    shifted = predict_all(fit(name, panels.build([y + 1000 for y in series])), HORIZON) - 1000
    assert np.abs(plain - shifted).max() < 0.25 * np.ptp(np.concatenate(series))


def test_it_survives_a_round_trip_through_plain_arrays_and_text(name):
    fitted = fit(name, panels.monthly())
    state = fitted.state
    content = unpack(pack(Content(dict(state.meta), state.arrays, {"model": state.text or ""})))
    text = content.texts["model"] or None
    rebuilt = PREDICTORS[state.kind](
        State(state.kind, state.fitted, content.meta, content.arrays, text), fitted.tails
    )
    found = rebuilt.predict(np.arange(4), HORIZON, {})
    assert np.array_equal(found.mean, fitted.predict(np.arange(4), HORIZON).mean)


@pytest.mark.parametrize("value", [0.0, 7.5, -3.0])
def test_a_constant_series_is_forecast_as_that_constant(name, value):
    panel = panels.build([np.full(40, value), *panels.seasonal(3)])
    found = predict_all(fit(name, panel), HORIZON)[0]
    assert found == pytest.approx(np.full(HORIZON, value), abs=0.2 * max(abs(value), 1.0))


def test_a_series_it_cannot_take_is_left_out_with_a_reason_and_the_others_are_served(name):
    panel = panels.build([*panels.seasonal(3), np.asarray([5.0])])
    fitted = fit(name, panel)
    mean = predict_all(fitted, HORIZON)
    assert np.isfinite(mean[:3]).all()
    assert bool(np.isfinite(mean[3]).all()) == ("series-3" not in fitted.reasons)
    if REGISTRY[name].min_points > 1:
        assert "points" in fitted.reasons["series-3"]


def test_a_panel_of_one_point_is_refused_or_carried_forward(name):
    panel = panels.build([np.asarray([5.0])])
    if REGISTRY[name].min_points == 1:
        assert predict_all(fit(name, panel), HORIZON)[0] == pytest.approx(np.full(HORIZON, 5.0))
        return
    with pytest.raises(errors.NothingFitted, match="points"):
        fit(name, panel)


def test_hostile_series_never_give_an_infinite_or_missing_number(name):
    rng = np.random.default_rng(1)
    hostile = [
        np.zeros(60),
        rng.poisson(0.1, 60).astype(float),
        1e12 * (1 + rng.random(60)),
        1e-12 * (1 + rng.random(60)),
        np.cumsum(rng.normal(size=60)) - 50,
        np.concatenate([np.ones(30), np.full(30, 1e6)]),
        np.exp(np.arange(60) / 3),
        np.tile([0.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1e4], 5),
    ]
    fitted = fit(name, panels.build(hostile))
    rows = np.flatnonzero(np.isfinite(predict_all(fitted, HORIZON)).all(axis=1))
    left_out = {f"series-{s}" for s in range(len(hostile))} - {f"series-{r}" for r in rows}
    assert left_out == set(fitted.reasons)
    assert len(rows) >= 4
    assert np.isfinite(fitted.predict(rows, HORIZON).sigma).all()


@pytest.mark.parametrize("frequency", ["YS", "QS", "W-SUN", "B", "h", "15min", 1])
def test_it_takes_every_kind_of_grid(name, frequency):
    panel = panels.build(panels.seasonal(3, 60), frequency)
    assert np.isfinite(predict_all(fit(name, panel), HORIZON)).all()
