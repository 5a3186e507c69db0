"""The forecasters of single series against statsforecast's own numbers, and what they share."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from statsforecast import models
from statsforecast.mstl import mstl

from apps.engine import errors
from apps.engine.forecasters import REGISTRY, FitContext, Fitted
from apps.engine.forecasters.local import OUT_OF_TIME, choice, unit_of
from apps.engine.forecasters.mstl import seasons_of
from apps.engine.forecasters.theta import residuals_of, season_of
from apps.engine.intervals import normal_width
from apps.engine.workers import Clock

from . import panels

HORIZON = 18
SIGMA_LEVEL = 68
pytestmark = pytest.mark.filterwarnings("ignore:possible convergence problem")  # of statsforecast itself
PATHS = [name for name, forecaster in REGISTRY.items() if getattr(forecaster, "kind", "") == "paths"]


def fit(name: str, series: list[np.ndarray], frequency: str | int = "MS", season=None, **context) -> Fitted:
    panel = panels.build(series, frequency, season)
    return REGISTRY[name].fit(panel, FitContext(HORIZON, **context))


def demand() -> list[np.ndarray]:
    return panels.demand(3, 96, seed=5)


def monthly() -> list[np.ndarray]:
    return panels.seasonal(3, 96, seed=5)


def plain() -> list[np.ndarray]:
    """A level that wanders, no season."""
    rng = np.random.default_rng(5)
    return [100 + np.cumsum(rng.normal(0.2, 2, 96)) for _ in range(3)]


def hourly(days: int = 28) -> np.ndarray:
    """Days and weeks of hours: a Sunday is lower than a Monday at every hour."""
    rng = np.random.default_rng(5)
    t = np.arange(24 * days)
    week = np.asarray([0, 5, 8, 8, 5, 0, -26.0])[t // 24 % 7]
    return 100 + 10 * np.sin(2 * np.pi * t / 24) + week + rng.normal(0, 1, len(t))


THEIRS = {
    "naive": (models.Naive(), plain, 1),
    "drift": (models.RandomWalkWithDrift(), plain, 1),
    "window_average": (models.WindowAverage(12), monthly, 12),
    "seasonal_window_average": (models.SeasonalWindowAverage(12, 3), monthly, 12),
    "seasonal_naive_long": (models.SeasonalNaive(12), monthly, (6, 12)),
    "ses": (models.AutoETS(model="ANN"), plain, 1),
    "damped": (models.AutoETS(model="AAN", damped=True), plain, 1),
    "auto_ces": (models.AutoCES(12), monthly, 12),
    "auto_arima": (models.AutoARIMA(max_p=3, max_q=3, approximation=True), plain, 1),
    "standard_theta": (models.Theta(12), monthly, 12),
    "mstl_ets": (models.MSTL([6, 12], models.AutoETS(model="ZZN")), monthly, (6, 12)),
    "mstl_arima": (
        models.MSTL([6, 12], models.AutoARIMA(max_p=3, max_q=3, approximation=True)),
        monthly,
        (6, 12),
    ),
    "croston": (models.CrostonClassic(), demand, 12),
    "croston_sba": (models.CrostonSBA(), demand, 12),
    "tsb": (models.TSB(0.2, 0.2), demand, 12),
    "adida": (models.ADIDA(), demand, 12),
    "imapa": (models.IMAPA(), demand, 12),
}
OWN_SIGMA = ("naive", "drift", "ses", "damped", "auto_arima", "mstl_ets")
LOOSE = {
    "mstl_arima": 0.01
}  # the search for orders can end elsewhere when what it reads differs in its last digit


def theirs(name: str, key: str = "mean") -> np.ndarray:
    """What statsforecast gives for the same series in the same unit, in which its searches stop at the same point."""
    model, series, _ = THEIRS[name]
    units = [unit_of(y, REGISTRY[name].reach) for y in series()]
    levels = {} if key == "mean" else {"level": [SIGMA_LEVEL]}
    found = [model.forecast(y / u, HORIZON, **levels) for y, u in zip(series(), units, strict=True)]
    return np.asarray([each[key] * u for each, u in zip(found, units, strict=True)])


@pytest.mark.parametrize("name", PATHS)
def test_its_numbers_are_those_of_statsforecast(name):
    _, series, season = THEIRS[name]
    found = fit(name, series(), "MS", season).predict(np.arange(3), HORIZON).mean
    assert found == pytest.approx(theirs(name), rel=LOOSE.get(name, 1e-9))


@pytest.mark.parametrize("name", OWN_SIGMA)
def test_its_standard_deviations_are_those_of_statsforecast(name):
    _, series, season = THEIRS[name]
    found = fit(name, series(), "MS", season).predict(np.arange(3), HORIZON).sigma
    width = theirs(name, f"hi-{SIGMA_LEVEL}") - theirs(name, f"lo-{SIGMA_LEVEL}")
    assert found == pytest.approx(width / (2 * normal_width(SIGMA_LEVEL)), rel=0.02)


@pytest.mark.parametrize("name", PATHS)
def test_level_trend_and_season_add_up_to_its_mean(name):
    _, series, season = THEIRS[name]
    fitted = fit(name, series(), "MS", season)
    rows = np.arange(3)
    parts = fitted.predictor.components(rows, HORIZON)
    assert sum(parts) == pytest.approx(fitted.predict(rows, HORIZON).mean, rel=1e-12)
    assert all(part.shape == (3, HORIZON) for part in parts)


@pytest.mark.parametrize("name", ["damped", "ses", "auto_arima", "standard_theta", "auto_ces", "mstl_ets"])
def test_the_season_of_its_forecast_is_the_season_of_the_data(name):
    fitted = fit(name, monthly())
    season = fitted.predictor.components(np.arange(3), 12)[2]
    wave = 10 * np.sin(2 * np.pi * np.arange(96, 108) / 12 + np.arange(3)[:, None])
    assert np.abs(season - wave).max() < 5


def test_its_spread_grows_by_the_impulse_response_of_the_model_that_was_chosen():
    from statsforecast.ces import auto_ces, forecast_ces

    y = plain()[0]
    par = {key: value for key, value in auto_ces(y, 1)["par"].items() if np.isfinite(value)}
    later = y + np.eye(1, len(y), len(y) - 1)[0]
    response = np.diff(
        [forecast_ces(auto_ces(each, 1, **par), HORIZON)["mean"] for each in (y, later)], axis=0
    )
    sigma = fit("auto_ces", [y], "MS", 1).predict(np.asarray([0]), HORIZON).sigma[0]
    variances = 1 + np.concatenate([[0], np.cumsum(response[0, :-1] ** 2)])
    assert sigma / sigma[0] == pytest.approx(np.sqrt(variances), rel=1e-3)


def test_several_seasons_are_taken_apart_as_statsforecast_does_it():
    y = hourly()
    expected = mstl(y, [24, 168])
    found = seasons_of(y, [24, 168])
    assert found == pytest.approx(expected[["seasonal24", "seasonal168"]].to_numpy().T, abs=1e-9)


@pytest.mark.parametrize("name", ["mstl_ets", "mstl_arima", "seasonal_naive_long"])
def test_a_week_of_hours_is_seen_beside_the_day(name):
    y = hourly()
    panel = panels.build([y[:-24]], "h")
    found = REGISTRY[name].fit(panel, FitContext(24)).predict(np.asarray([0]), 24).mean[0]
    assert np.abs(found - y[-24:]).mean() < 2
    assert np.abs(y[-48:-24] - y[-24:]).mean() > 20


def test_a_season_that_does_not_fit_twice_is_left_out():
    y = hourly(13)
    both = REGISTRY["mstl_ets"].fit(panels.build([y], "h"), FitContext(24))
    day = REGISTRY["mstl_ets"].fit(panels.build([y], "h", 24), FitContext(24))
    assert np.array_equal(both.state.arrays["season"], day.state.arrays["season"])


def test_without_a_season_mstl_says_so():
    with pytest.raises(errors.NothingFitted, match="no season fits twice"):
        fit("mstl_ets", plain(), "YS")


def test_intermittent_forecasters_say_what_they_cannot_take():
    negative = demand()[1] - 2 * (demand()[1] > 6)
    negative[3] = -1.0
    fitted = fit("croston", [demand()[0], negative, monthly()[0]])
    assert fitted.reasons == {
        "series-1": "it has negative values, which demand cannot have",
        "series-2": "0% of its values are zero, 20% are needed",
    }


@pytest.mark.parametrize("name", ["naive", "damped", "mstl_arima"])
def test_a_clock_that_is_over_leaves_out_the_rest_and_says_why(name):
    ticks = itertools.count()
    clock = Clock(ends_at=2, now=lambda: next(ticks))
    fitted = fit(name, [*monthly(), *monthly()], clock=clock)
    assert fitted.state.fitted.tolist() == [True, True, False, False, False, False]
    assert fitted.reasons == {f"series-{s}": OUT_OF_TIME for s in range(2, 6)}


@pytest.mark.parametrize("name", ["auto_ces", "auto_arima", "mstl_arima"])
def test_a_later_cutoff_reuses_the_form_that_was_found(name):
    first = fit(name, [y[:-6] for y in monthly()])
    again = fit(name, monthly(), hints=first.hints)
    assert dict(first.hints) == dict(again.hints)
    assert all(hint.endswith("@90") for hint in again.hints.values())
    fresh = fit(name, monthly()).predict(np.arange(3), HORIZON).mean
    assert np.abs(again.predict(np.arange(3), HORIZON).mean - fresh).max() < 15


def test_what_was_found_is_searched_anew_when_the_series_has_grown_by_a_quarter():
    assert choice("MAM@60", 75) == ("MAM", 60)
    assert choice("MAM@60", 76) == (None, 76)
    assert choice("", 40) == (None, 40)


def test_a_history_that_lately_stands_still_still_has_a_spread():
    y = np.concatenate([plain()[0], np.full(500, 40.0)])
    for name in PATHS:
        if name.startswith(("mstl", "seasonal_naive_long")):
            continue
        points = fit(name, [y], "MS", 1).predict(np.asarray([0]), HORIZON)
        assert points.mean[0] == pytest.approx(np.full(HORIZON, 40.0))
        assert (points.sigma > 1e-3).all()


@pytest.mark.parametrize("shift", [0.0, -200.0])
def test_the_errors_of_theta_are_those_on_the_adjusted_series(shift):
    from statsforecast.theta import auto_theta

    y = monthly()[0] + shift
    model = auto_theta(y.copy(), m=12, model="STM")
    _, kind = season_of(model)
    assert (kind == 2) == (shift == 0)
    assert residuals_of(model)[3:].std() < 1.3 * 2  # the noise of the data
