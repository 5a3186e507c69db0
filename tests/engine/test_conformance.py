"""Every forecaster x every check."""

from __future__ import annotations

import functools
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from apps.engine import backtest, errors
from apps.engine.bundle import Content, pack, unpack
from apps.engine.forecasters import PRETRAINED, REGISTRY, FitContext, Fitted
from apps.engine.forecasters.intermittent import Intermittent
from apps.engine.forecasters.mstl import MSTL
from apps.engine.forecasters.seasonal_naive_long import SeasonalNaiveLong
from apps.engine.forecasters.seasonal_window_average import SeasonalWindowAverage
from apps.engine.frequency import Frequency
from apps.engine.panel import Panel
from apps.engine.serving.predictors import PREDICTORS
from apps.engine.serving.state import State

from . import panels

HORIZON = 6
LIBRARY_ERROR = re.compile(r"^\w*(Error|Exception|Implemented)\b")
pytestmark = pytest.mark.parametrize("name", list(REGISTRY))


def means(fitted: Fitted, horizon: int) -> np.ndarray:
    """Forecasts of every series, f8[S, H]."""
    return backtest.predict_all(fitted, horizon).mean


def fit(name: str, panel: Panel, seed: int = 0) -> Fitted:
    trees = panels.trained_before(panel.frequency, HORIZON) if name == PRETRAINED else None
    return REGISTRY[name].fit(panel, FitContext(HORIZON, seed, pretrained=trees))


@functools.cache
def fitted_once(name: str) -> Fitted:
    """The fit on the four series that suit the forecaster, for checks that only read it."""
    return fit(name, panels.suited(name))


def takes(name: str, grid: Frequency, length: int) -> bool:
    """Whether the forecaster says that it takes `length` points on the grid; most need no season."""
    forecaster = REGISTRY[name]
    if isinstance(forecaster, MSTL):
        return any(1 < m <= length // 2 for m in grid.seasons)
    if isinstance(forecaster, SeasonalNaiveLong):
        return any(m <= length for m in grid.longer_seasons)
    if isinstance(forecaster, SeasonalWindowAverage):
        return 2 * grid.season_length <= length
    return True


def same(one: Fitted, other: Fitted) -> bool:
    names = set(one.state.arrays)
    return (
        names == set(other.state.arrays)
        and all(np.array_equal(one.state.arrays[n], other.state.arrays[n]) for n in names)
        and one.state.text == other.state.text
        and dict(one.reasons) == dict(other.reasons)
    )


def test_it_gives_one_finite_row_of_the_horizon_for_each_series(name):
    points = fitted_once(name).predict(np.arange(4), HORIZON)
    assert points.mean.shape == points.sigma.shape == (4, HORIZON)
    assert np.isfinite(points.mean).all()
    assert np.isfinite(points.sigma).all()
    assert (points.sigma > 0).all()


def test_the_same_seed_gives_the_same_state_byte_for_byte(name):
    def packed() -> bytes:
        state = fit(name, panels.suited(name), seed=3).state
        return pack(Content(dict(state.meta), state.arrays, {"model": state.text or ""}))

    assert packed() == packed()


def test_a_second_fit_gives_what_the_first_gave_whatever_was_fitted_between_them(name):
    first = fitted_once(name)
    fit(name, panels.suited(name, panels.series_for(name, 2, 60, seed=8)))
    assert same(first, fit(name, panels.suited(name)))


def test_threads_that_fit_at_once_get_what_one_alone_gets(name):
    panel = panels.suited(name)
    expected = fitted_once(name)
    barrier = threading.Barrier(2)

    def work(_: int) -> Fitted:
        barrier.wait()
        return fit(name, panel)

    with ThreadPoolExecutor(2) as pool:
        assert all(same(expected, found) for found in pool.map(work, range(2)))


def test_a_series_does_not_depend_on_the_rows_asked_beside_it(name):
    fitted = fitted_once(name)
    whole = fitted.predict(np.arange(4), HORIZON).mean
    assert np.array_equal(fitted.predict(np.asarray([2]), HORIZON).mean[0], whole[2])
    assert np.array_equal(fitted.predict(np.asarray([3, 0]), HORIZON).mean, whole[[3, 0]])


def test_a_shorter_horizon_is_the_beginning_of_a_longer_one(name):
    fitted = fitted_once(name)
    assert np.array_equal(
        fitted.predict(np.arange(4), 2).mean, fitted.predict(np.arange(4), HORIZON).mean[:, :2]
    )


def test_it_leaves_its_input_untouched(name):
    special = isinstance(REGISTRY[name], Intermittent | SeasonalNaiveLong)
    panel = panels.suited(name) if special else panels.retail(2)
    before = (panel.values.copy(), panel.ds.copy(), {k: v.copy() for k, v in panel.known_future.items()})
    fit(name, panel)
    assert np.array_equal(panel.values, before[0])
    assert np.array_equal(panel.ds, before[1])
    assert all(np.array_equal(panel.known_future[k], v) for k, v in before[2].items())


def test_threads_that_share_its_predictor_get_the_same_numbers(name):
    fitted = fitted_once(name)
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
    series = panels.series_for(name)
    plain = means(fitted_once(name), HORIZON)
    scaled = means(fit(name, panels.suited(name, [y * factor for y in series])), HORIZON) / factor
    spread = np.ptp(np.concatenate(series))
    assert np.abs(plain - scaled).max() < 0.05 * spread


def test_a_shifted_history_gives_a_forecast_shifted_by_about_as_much(name):
    series = panels.series_for(name)
    panel = panels.suited(name, [y + 1000 for y in series])
    if isinstance(REGISTRY[name], Intermittent):
        with pytest.raises(errors.NothingFitted, match="zero"):
            fit(name, panel)
        return
    shifted = means(fit(name, panel), HORIZON) - 1000
    plain = means(fitted_once(name), HORIZON)
    assert np.abs(plain - shifted).max() < 0.25 * np.ptp(np.concatenate(series))


def test_it_survives_a_round_trip_through_plain_arrays_and_text(name):
    fitted = fitted_once(name)
    state = fitted.state
    content = unpack(pack(Content(dict(state.meta), state.arrays, {"model": state.text or ""})))
    text = content.texts["model"] or None
    rebuilt = PREDICTORS[state.kind](
        State(state.kind, state.fitted, content.meta, content.arrays, text), fitted.tails
    )
    found = rebuilt.predict(np.arange(4), HORIZON, {})
    assert np.array_equal(found.mean, fitted.predict(np.arange(4), HORIZON).mean)


@pytest.mark.parametrize("value", [0.0, 7.5, -3.0])
def test_a_constant_series_is_forecast_as_that_constant_or_left_to_the_naive(name, value):
    panel = panels.suited(name, [np.full(40, value), *panels.series_for(name, 1)])
    fitted = fit(name, panel)
    if name == PRETRAINED:
        assert "never changes" in fitted.reasons["series-0"]
        return
    found = means(fitted, HORIZON)[0]
    assert found == pytest.approx(np.full(HORIZON, value), abs=0.2 * max(abs(value), 1.0))


def test_a_series_it_cannot_take_is_left_out_with_a_reason_and_the_others_are_served(name):
    panel = panels.suited(name, [*panels.series_for(name, 3), np.asarray([5.0])])
    fitted = fit(name, panel)
    mean = means(fitted, HORIZON)
    assert np.isfinite(mean[:3]).all()
    assert bool(np.isfinite(mean[3]).all()) == ("series-3" not in fitted.reasons)
    if REGISTRY[name].min_points > 1:
        assert "points" in fitted.reasons["series-3"]


def test_its_shortest_series_is_served_and_a_shorter_one_is_told_how_long_it_must_be(name):
    least = REGISTRY[name].min_points
    shortest = [y[:least] for y in panels.series_for(name)]
    too_short = [y[: least - 1] for y in shortest if least > 1]
    panel = panels.build([*shortest, *too_short, np.full(40, 7.5)], 1)
    fitted = fit(name, panel)
    said = [fitted.reasons.get(series_id, "") for series_id in panel.series_ids[: len(shortest)]]
    assert not any(LIBRARY_ERROR.match(reason) for reason in fitted.reasons.values())
    if takes(name, panel.frequency, least):
        assert said == [""] * len(shortest)
    for series_id in panel.series_ids[len(shortest) : -1]:
        assert f"{least} are needed" in fitted.reasons[series_id]


def test_a_panel_of_one_point_is_refused_or_carried_forward(name):
    panel = panels.suited(name, [np.asarray([5.0])])
    if REGISTRY[name].min_points == 1:
        assert means(fit(name, panel), HORIZON)[0] == pytest.approx(np.full(HORIZON, 5.0))
        return
    with pytest.raises(errors.NothingFitted, match="points"):
        fit(name, panel)


def test_intermittent_demand_is_forecast_finitely_or_left_out_with_a_reason(name):
    panel = panels.suited(name, panels.demand(3))
    fitted = fit(name, panel)
    served = [series_id not in fitted.reasons for series_id in panel.series_ids]
    rows = np.flatnonzero(served)
    points = fitted.predict(rows, HORIZON)
    assert np.array_equal(fitted.state.fitted, served)
    assert np.isfinite(points.mean).all()
    assert np.isfinite(points.sigma).all()
    assert (points.sigma > 0).all()
    if isinstance(REGISTRY[name], Intermittent):
        assert all(served)
        assert (points.mean > 0).all()
        assert (points.mean < 12).all()


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
        1e12 * (rng.random(60) < 0.3),
        1e-12 * (rng.random(60) < 0.3),
        np.concatenate([[1.0], np.zeros(59)]),
        np.concatenate([np.zeros(59), [1.0]]),
        np.concatenate([[-1.0], np.zeros(500)]),
    ]
    fitted = fit(name, panels.suited(name, hostile))
    rows = np.flatnonzero(np.isfinite(means(fitted, HORIZON)).all(axis=1))
    left_out = {f"series-{s}" for s in range(len(hostile))} - {f"series-{r}" for r in rows}
    assert left_out == set(fitted.reasons)
    assert len(rows) >= 8
    sigma = fitted.predict(rows, HORIZON).sigma
    assert np.isfinite(sigma).all()
    if fitted.state.kind == "paths":
        assert (sigma[rows > 0] > 0).all()


@pytest.mark.parametrize("frequency", ["YS", "QS", "W-SUN", "B", "h", "15min", 1])
def test_it_takes_every_kind_of_grid(name, frequency):
    panel = panels.build(panels.series_for(name, 3, 60), frequency)
    if takes(name, panel.frequency, 60):
        assert np.isfinite(means(fit(name, panel), HORIZON)).all()
        return
    with pytest.raises(errors.NothingFitted, match="season"):
        fit(name, panel)
