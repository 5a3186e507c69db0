"""Whatever comes in, an error says what is wrong and what to do, or every series has a finite forecast that says what was done."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from apps.engine import EngineError, Event, Panel, Result, Spec, errors, forecast, from_columns, load_bundle
from apps.engine.frequency import Frequency
from tests.engine import panels

QUICK = ("theta", "auto_ets")
ALL = ("theta", "auto_ets", "auto_ces", "croston_sba", "lightgbm_global")
HORIZON = 6


def spec(horizon: int = HORIZON, **settings) -> Spec:
    return Spec(horizon, **{"candidates": QUICK, "windows": 2, **settings})


def forecasted(panel: Panel, given: Spec | None = None) -> Result:
    """The result, looked at from all sides: nothing dropped, nothing missing, bands nested, parts that add up, paths."""
    given = given or spec()
    found = forecast(panel, given)
    loaded = load_bundle(found.training.bundle)
    count = len(panel) if not given.hierarchy else len(found.series_ids)
    assert found.series_ids[: len(panel)] == panel.series_ids
    assert found.mean.shape == (count, given.horizon)
    assert len(found.ds) == len(found.flags) == count
    assert all(len(times) == given.horizon for times in found.ds)
    inner = (found.mean, found.mean)
    for level in given.levels:
        band = found.bands[level]
        assert np.isfinite(band.lo).all()
        assert np.isfinite(band.hi).all()
        assert (band.lo <= inner[0]).all()
        assert (band.hi >= inner[1]).all()
        inner = (band.lo, band.hi)
    told = loaded.components(None, given.horizon)
    parts = [part.values for part in told.parts] or [np.zeros_like(told.mean)]
    size = max(np.abs(values).max() for values in (found.mean, *parts))
    assert np.abs(sum(parts) - found.mean).max() <= 1e-9 * size
    assert np.isfinite(loaded.samples(None, given.horizon, 5, 1)).all()
    return found


def refused(kind: type[EngineError], make: Callable[[], Panel], given: Spec | None = None) -> EngineError:
    with pytest.raises(kind) as caught:
        forecast(make(), given or spec())
    assert caught.value.code
    assert caught.value.fields
    assert "{" not in caught.value.detail
    return caught.value


def test_an_empty_panel_is_refused():
    refused(errors.EmptyPanel, lambda: from_columns([], [], []))
    grid = Frequency.parse("D")
    refused(errors.EmptyPanel, lambda: Panel((), np.zeros(0), [0], np.zeros(0, "datetime64[s]"), grid))
    refused(errors.EmptyPanel, lambda: Panel(("a",), np.zeros(0), [0, 0], np.zeros(0, "datetime64[s]"), grid))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("all_of_it", [True, False])
def test_values_that_are_no_numbers_are_named(value, all_of_it):
    values = panels.seasonal(2, 40)
    values[1][: 40 if all_of_it else 1] = value
    error = refused(errors.NonFiniteValue, lambda: panels.build(values))
    assert error.fields["series_id"] == "series-1"
    assert error.fields["column"] == "y"


@pytest.mark.parametrize("effort", ["fast", "balanced"])
def test_one_point_is_a_forecast_with_flags(effort):
    found = forecasted(panels.build([np.asarray([7.0])]), Spec(HORIZON, effort=effort))
    assert found.mean.tolist() == [[7.0] * HORIZON]
    assert "not_backtested" in found.flags[0]
    assert not found.bands[95].calibrated
    assert (found.bands[95].hi > found.mean).all()


@pytest.mark.parametrize("length", [2, 3, 4, 5, 7, 9, 13, 25])
@pytest.mark.parametrize("frequency", ["MS", "D", "h", "YS"])
def test_short_series_of_any_length_are_forecast(length, frequency):
    forecasted(panels.build(panels.seasonal(2, length), frequency), spec(candidates=ALL))


@pytest.mark.parametrize("value", [5.0, 0.0, -3.0, 1e12, 1e-12])
def test_a_series_that_never_varies_is_forecast_as_it_is(value):
    found = forecasted(panels.build([np.full(40, value)] * 2), spec(candidates=ALL))
    assert found.mean == pytest.approx(value, rel=1e-6, abs=1e-300)
    assert all("constant" in flags for flags in found.flags)


@pytest.mark.parametrize("factor", [1e12, 1e-12, 1e150, -1.0, 1e-150])
def test_a_forecast_is_the_same_in_any_unit(factor):
    plain = panels.seasonal(3, 60)
    one = forecasted(panels.build(plain), spec())
    other = forecasted(panels.build([factor * y for y in plain]), spec())
    assert other.mean == pytest.approx(factor * one.mean, rel=0.05)


def test_values_from_tiny_to_huge_stand_beside_each_other():
    plain = panels.seasonal(4, 60)
    found = forecasted(
        panels.build([y * f for y, f in zip(plain, (1e12, 1e-12, 1.0, 0.0), strict=True)]),
        spec(candidates=ALL),
    )
    assert found.mean[0].min() > 1e13
    assert found.mean[1].max() < 1e-9


def test_negative_values_are_forecast_below_zero_and_bounded_only_on_demand():
    plain = panels.build([y - 200 for y in panels.seasonal(3, 60)])
    assert forecasted(plain).mean.max() < 0
    bounded = forecasted(plain, spec(non_negative=True))
    assert bounded.mean.min() == 0.0
    assert all("clipped" in flags for flags in bounded.flags)


@pytest.mark.parametrize(("frequency", "start", "wanted"), [
    ("D", "2022-12-20", "2024-02-27"),
    ("YS", "1960-01-01", "2020-01-01"),
    ("ME", "2015-02-28", "2024-02-29"),
])  # fmt: skip
def test_leap_days_are_days_like_others(frequency, start, wanted):
    grid = Frequency.parse(frequency)
    ds = grid.range(np.datetime64(start, "s"), 500)
    ds = ds[ds <= np.datetime64(wanted, "s")]
    values = panels.seasonal(1, len(ds))[0]
    found = forecasted(Panel(("a",), values, [0, len(ds)], ds, grid))
    assert found.ds[0][0] > np.datetime64(wanted, "s")
    assert len(set(found.ds[0].tolist())) == HORIZON
    if frequency == "D":
        assert [str(t)[:10] for t in found.ds[0][:3]] == ["2024-02-28", "2024-02-29", "2024-03-01"]


def leap_years(frequency: str | None) -> Panel:
    ds = np.asarray([f"{year}-02-29" for year in range(1980, 2024, 4)], "datetime64[s]")
    return from_columns(["a"] * len(ds), ds, np.arange(11.0), frequency=frequency)


@pytest.mark.parametrize("frequency", ["4YE-FEB", None])
def test_every_fourth_year_from_a_leap_day_is_a_grid(frequency):
    found = forecasted(leap_years(frequency))
    assert [str(t)[:10] for t in found.ds[0][:2]] == ["2024-02-29", "2028-02-29"]


def test_years_from_a_leap_day_end_with_february():
    found = forecasted(leap_years("YE-FEB"))
    assert [str(t)[:10] for t in found.ds[0][:4]] == ["2021-02-28", "2022-02-28", "2023-02-28", "2024-02-29"]
    assert "gap_filled" in found.flags[0]


def test_years_that_begin_on_a_leap_day_begin_a_day_later_in_between():
    found = forecasted(leap_years("YS"))
    assert [str(t)[:10] for t in found.ds[0][:4]] == ["2021-03-01", "2022-03-01", "2023-03-01", "2024-02-29"]


def test_a_covariate_that_is_missing_in_the_future_is_carried_forward_and_said():
    found = forecasted(
        panels.retail(3, 120),
        spec(effort="fast", candidates=("lightgbm_global",), forecaster="lightgbm_global"),
    )
    assert all("covariate_carried_forward" in flags for flags in found.flags)
    assert any("carry them forward" in note for note in found.training.notes)


def test_a_covariate_that_is_missing_in_the_past_is_named():
    values = panels.seasonal(1, 40)
    error = refused(errors.NonFiniteValue, lambda: panels.build(values, price=[np.full(40, np.nan)]))
    assert error.fields["column"] == "price"


@pytest.mark.parametrize("horizon", [40, 41, 100, 400])
def test_a_horizon_longer_than_the_history_is_forecast_and_said(horizon):
    found = forecasted(panels.build(panels.seasonal(3, 40)), spec(horizon, candidates=ALL))
    assert all("not_backtested" in flags for flags in found.flags)


@pytest.mark.parametrize(
    ("settings", "kind", "field"),
    [
        ({"horizon": 0}, errors.InvalidSpec, "horizon"),
        ({"horizon": -3}, errors.InvalidSpec, "horizon"),
        ({"horizon": 10_001}, errors.InvalidSpec, "horizon"),
        ({"horizon": math.nan}, errors.InvalidSpec, "horizon"),
        ({"levels": (100,)}, errors.InvalidLevel, "level"),
        ({"levels": (0,)}, errors.InvalidLevel, "level"),
        ({"levels": (80, 80)}, errors.InvalidLevel, "level"),
        ({"levels": (80.5,)}, errors.InvalidLevel, "level"),
        ({"levels": 80}, errors.InvalidLevel, "level"),
        ({"levels": ("80",)}, errors.InvalidLevel, "level"),
        ({"effort": "most"}, errors.InvalidSpec, "effort"),
        ({"time_budget_seconds": 0}, errors.InvalidSpec, "time_budget_seconds"),
        ({"time_budget_seconds": math.nan}, errors.InvalidSpec, "time_budget_seconds"),
        ({"upper": math.nan}, errors.InvalidSpec, "upper"),
        ({"upper": "10"}, errors.InvalidSpec, "upper"),
        ({"upper": -1.0, "non_negative": True}, errors.InvalidSpec, "upper"),
        ({"non_negative": "yes"}, errors.InvalidSpec, "non_negative"),
        ({"integer": "yes"}, errors.InvalidSpec, "integer"),
        ({"candidates": "theta"}, errors.InvalidSpec, "candidates"),
        ({"hierarchy": "region"}, errors.InvalidSpec, "hierarchy"),
        ({"hierarchy": ("region", "region")}, errors.InvalidSpec, "hierarchy"),
        ({"events": "fair"}, errors.InvalidSpec, "events"),
        ({"forecaster": "oracle"}, errors.UnknownForecaster, "name"),
        ({"candidates": ("oracle",)}, errors.UnknownForecaster, "name"),
        ({"country": "Atlantis"}, errors.InvalidSpec, "country"),
        ({"events": (Event("fair", ("never",)),)}, errors.InvalidSpec, "events"),
        ({"hierarchy": ("region",)}, errors.InvalidHierarchy, "reason"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(settings, kind, field):
    with pytest.raises(kind) as caught:
        forecast(panels.monthly(2, 40), Spec(**{"horizon": 3, **settings}))
    fields = caught.value.fields
    assert (fields["field"] if kind is errors.InvalidSpec else next(iter(fields))) == field


@pytest.mark.parametrize("frequency", ["fortnight", "", "0D", -1, 0, "W-XYZ", 1.5])
def test_an_unknown_frequency_is_named_with_those_that_are_known(frequency):
    ds = panels.monthly(1, 10).ds
    error = refused(
        errors.UnknownFrequency, lambda: from_columns(["a"] * 10, ds, np.arange(10.0), frequency=frequency)
    )
    assert "W-SUN" in error.detail


@pytest.mark.parametrize("effort", ["fast", "balanced", "best"])
def test_next_to_no_time_still_gives_every_series_a_forecast(effort):
    found = forecasted(
        panels.build(panels.seasonal(5, 80)), Spec(HORIZON, effort=effort, time_budget_seconds=0.1)
    )
    assert any("left out" in said for said in found.choices)


def test_an_upper_bound_below_all_values_caps_every_forecast_and_says_so():
    found = forecasted(panels.build(panels.seasonal(2, 60)), spec(upper=50.0))
    assert found.mean.max() <= 50.0
    assert all("clipped" in flags for flags in found.flags)


def test_an_upper_bound_below_zero_lifts_the_bound_at_zero():
    found = forecasted(panels.build(panels.seasonal(2, 60)), spec(upper=-5.0))
    assert (found.mean == -5.0).all()
    assert (found.bands[95].lo < -5.0).all()


def test_one_strange_series_leaves_the_others_alone():
    rng = np.random.default_rng(0)
    strange = [
        np.asarray([3.0]), np.full(60, 2.0), np.zeros(60), rng.normal(0, 1e9, 60), np.r_[np.zeros(59), 1e9],
        np.r_[1e9, np.zeros(59)], np.cumsum(rng.normal(0, 1, 60)), 2.0 ** np.arange(60), -(2.0 ** np.arange(60)),
        np.tile([0.0, 1.0], 30), np.arange(4.0),
    ]  # fmt: skip
    found = forecasted(panels.build([*panels.seasonal(3, 60), *strange]), spec(candidates=ALL))
    alone = forecast(panels.build(panels.seasonal(3, 60)), spec(candidates=("seasonal_naive",)))
    assert np.abs(found.mean[:3] / alone.mean - 1).max() < 0.5


@pytest.mark.parametrize("seed", range(6))
def test_random_panels_of_all_kinds_are_forecast_whole(seed):
    rng = np.random.default_rng(seed)
    frequency = ["D", "h", "W-SUN", "MS", "QE", "YS"][seed]
    lengths = rng.integers(0, 90, 7)
    lengths[0] = 90
    series = [
        np.round(rng.normal(rng.normal(0, 50), rng.exponential(20), n), int(rng.integers(0, 3)))
        for n in lengths
    ]
    plain = panels.build(series, frequency)
    attributes = [str(rng.integers(2)) for _ in lengths]
    found = forecasted(plain, spec(5, country="DE", integer=bool(seed % 2)))
    assert any("cold_start" in flags for flags in found.flags) == bool(
        (lengths == 0).any() or ((lengths <= 3).any() and (lengths >= 8).sum() >= 5)
    )
    aligned = replace(panels.build([y[-40:] for y in series if len(y) >= 40], frequency))
    tree = replace(aligned, static={"kind": attributes[: len(aligned)]})
    forecasted(tree, spec(5, hierarchy=("kind",), integer=bool(seed % 2)))
