"""New points move a trained model to where training on them with the same parameters would have put it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apps.engine import bundle, errors, load_bundle
from apps.engine.forecasters import auto_ets, theta
from apps.engine.forecasters.base import make_tails
from apps.engine.forecasters.local import unit_of
from apps.engine.panel import Panel
from apps.engine.seasonality import adjust
from apps.engine.serving.predictors import PREDICTORS
from apps.engine.update import update

from . import ensembles, panels

HORIZON = 10
NEW = 17
MOVING = ("theta", "auto_ets", "seasonal_naive", "lightgbm_global")
KEPT = Path(__file__).parent / "bundles"


def before(panel: Panel, count: int = NEW) -> Panel:
    return panel.head(panel.lengths - count)


def after(panel: Panel, count: int = NEW) -> Panel:
    """Only the new points."""
    index = np.concatenate([np.arange(end - count, end) for end in panel.indptr[1:]])
    indptr = np.arange(len(panel) + 1) * count
    known = {name: column[index] for name, column in panel.known_future.items()}
    return Panel(panel.series_ids, panel.values[index], indptr, panel.ds[index], panel.frequency, known)


def means(data: bytes) -> np.ndarray:
    return load_bundle(data).predict(None, HORIZON).mean


@pytest.mark.parametrize("length", [30, 72, 400])
def test_the_seasonal_naive_is_as_if_fitted_on_all(length):
    panel = panels.monthly(3, length)
    found = bundle.unpack(update(ensembles.packed("seasonal_naive", before(panel), HORIZON), panel))
    expected = bundle.unpack(ensembles.packed("seasonal_naive", panel, HORIZON))
    assert set(found.arrays) == set(expected.arrays)
    for name, array in expected.arrays.items():
        assert found.arrays[name] == pytest.approx(array, rel=1e-9), name
    assert found.meta["cutoff"] == expected.meta["cutoff"]


@pytest.mark.parametrize("name", MOVING)
@pytest.mark.parametrize("length", [72, 400])
def test_everything_but_the_member_s_state_is_as_if_trained_on_all(name, length):
    panel = panels.monthly(3, length)
    found = bundle.unpack(update(ensembles.packed(name, before(panel), HORIZON), panel))
    expected = bundle.unpack(ensembles.packed(name, panel, HORIZON))
    for array in ("tails/values", "tails/ds", "tails/indptr", "tails/lengths", "scales", "lower"):
        assert found.arrays[array] == pytest.approx(expected.arrays[array], rel=1e-9)


def test_the_trees_see_the_new_tails_and_the_covariates_known_now():
    panel = panels.retail(4, 300)
    full = replace(panel, future={"price": np.full((4, HORIZON), 9.0), "promotion": np.ones((4, 3))})
    fitted = ensembles.fitted("lightgbm_global", before(panel), HORIZON)
    data = update(ensembles.packed("lightgbm_global", before(panel), HORIZON), full)
    moved = PREDICTORS["lightgbm_global"](fitted.state, make_tails(full, HORIZON))
    future = {"price": np.full((4, HORIZON), 9.0), "promotion": np.zeros((4, HORIZON))}
    future["promotion"][:, :3] = 1.0
    expected = moved.predict(np.arange(4), HORIZON, future).mean
    assert means(data) == pytest.approx(np.maximum(expected, 0), rel=1e-9)
    assert load_bundle(data).predict(None, 3).flags == ((),) * 4


def test_what_was_known_ahead_is_past_afterwards():
    panel = panels.retail()
    head = panel.head(panel.lengths - 6)
    data = update(ensembles.packed("lightgbm_global", head, HORIZON), panel.head(panel.lengths - 4))
    found = bundle.unpack(data).arrays["future/price"]
    assert np.array_equal(
        found[:, :4], np.stack([panel.known_future["price"][panel.slice_of(s)][-4:] for s in range(4)])
    )
    assert np.isnan(found[:, 4:]).all()


def run(form: str, model: dict, y: np.ndarray, m: int) -> dict:
    """The library's states over all of `y` with the parameters and first state that `model` has."""
    from statsforecast.ets import pegelsresid_C

    alpha, beta, gamma, phi = np.nan_to_num(model["par"][:4])
    states = pegelsresid_C(
        y, m, np.asarray(model["states"])[0], form[0], form[1], form[-1], "d" in form, alpha, beta, gamma, phi, 3
    )[2]  # fmt: skip
    return {**model, "states": states}


@pytest.mark.parametrize(
    "form", ["ANN", "AAN", "AAdN", "ANA", "AAA", "AAdA", "MNM", "MAM", "MAdM", "MNA", "MAdA", "MAN"]
)
@pytest.mark.parametrize("count", [1, NEW])
def test_smoothing_goes_on_as_the_library_would(form, count, monkeypatch):
    y = panels.seasonal(1, 90)[0] * np.linspace(1, 1.5, 90)
    head = y[:-count]
    search = auto_ets._search
    monkeypatch.setattr(auto_ets, "_search", lambda values, m, hint: search(values, m, form))
    data = update(ensembles.packed("auto_ets", panels.build([head]), HORIZON), panels.build([y]))
    _, model = search(head, 12, form)
    plain = auto_ets.Adjusted(y, np.zeros(1), 0)
    ended = auto_ets._end_state(form, run(form, model, y, 12), plain, np.ones(HORIZON))
    assert means(data)[0] == pytest.approx(auto_ets._forecast(ended, HORIZON), rel=1e-9)


@pytest.mark.parametrize("shift", [0.0, -120.0])
def test_smoothing_of_a_long_season_goes_on_with_the_season_it_has(shift):
    y = panels.seasonal(1, 300, 24)[0] + shift
    head = y[:-NEW]
    first = ensembles.packed("auto_ets", panels.build([head], "h"), HORIZON)
    data = update(first, panels.build([y], "h"))
    adjusted = adjust(head[-240:], 24)
    ahead = np.resize(adjusted.ahead, NEW)
    late = y[-NEW:] / ahead if adjusted.kind == 2 else y[-NEW:] - ahead
    form, model = auto_ets._search(adjusted.values, 1, None)
    moved = run(form, model, np.concatenate([adjusted.values, late]), 1)
    turned = replace(adjusted, ahead=np.roll(adjusted.ahead, -NEW))
    ended = auto_ets._end_state(form, moved, turned, np.ones(HORIZON))
    assert means(data)[0] == pytest.approx(auto_ets._forecast(ended, HORIZON), rel=1e-9)


@pytest.mark.parametrize("season", [1, 12])
@pytest.mark.parametrize("count", [1, NEW])
@pytest.mark.parametrize("shift", [0.0, -120.0])
def test_theta_goes_on_as_the_library_would(season, count, shift):
    from statsforecast.theta import _theta, auto_theta, switch_theta

    y = panels.seasonal(1, 90, 12)[0] * np.linspace(1, 1.5, 90) + shift
    head = y[:-count]
    first = ensembles.packed("theta", panels.build([head], "MS", season), HORIZON)
    data = update(first, panels.build([y], "MS", season))
    unit = unit_of(head, theta.REACH)
    model = auto_theta(head / unit, m=season, model="DOTM")
    whole, kind, index = y / unit, 0, np.zeros(season)
    if model.get("decompose", False):
        kind = 2 if model["decomposition_type"] == "multiplicative" else 1
        index = np.asarray(model["seas_forecast"]["mean"])
        each = np.resize(np.roll(index, len(head) % season), len(y))
        whole = whole / each if kind == 2 else whole - each
    par = model["par"]
    states = _theta.pegels_resid(
        whole, switch_theta("DOTM"), par["initial_smoothed"], par["alpha"], par["theta"], 3
    )[2]
    moved = {**model, "states": states, "n": len(y), "seas_forecast": {"mean": np.roll(index, -count)}}
    arrays = theta._end_state(moved, HORIZON, unit)
    found = bundle.unpack(data).arrays
    for name in ("level", "mean", "a", "b", "n", "season"):
        assert found[f"members/0/{name}"][0] == pytest.approx(arrays[name], rel=1e-9, abs=1e-9), name
    assert found["members/0/sigma"][0] == pytest.approx(
        load_bundle(first).members[0].state.arrays["sigma"][0]
        * (1 if kind != 2 else np.resize(np.roll(index, -count), HORIZON) / np.resize(index, HORIZON)),
        rel=1e-9,
    )


@pytest.mark.parametrize("name", MOVING)
def test_point_by_point_ends_where_all_at_once_does(name):
    panel = panels.monthly(3, 250)
    data = ensembles.packed(name, before(panel), HORIZON)
    at_once = bundle.unpack(update(data, panel))
    for count in range(NEW - 1, -1, -1):
        data = update(data, panel.head(panel.lengths - count))
    step_by_step = bundle.unpack(data)
    for array, expected in at_once.arrays.items():
        assert step_by_step.arrays[array] == pytest.approx(expected, rel=1e-9), array
    assert step_by_step.meta["notes"] == at_once.meta["notes"]


def test_the_new_points_alone_are_enough():
    panel = panels.retail()
    data = ensembles.ensemble(MOVING, before(panel), HORIZON)
    assert np.array_equal(means(update(data, after(panel))), means(update(data, panel)))


def test_some_of_the_series_move_and_the_others_stay():
    panel = panels.monthly()
    data = ensembles.ensemble(MOVING, before(panel), HORIZON)
    found = update(data, panel.take([2]))
    whole = means(update(data, panel))
    assert np.array_equal(means(found)[[0, 1, 3]], means(data)[[0, 1, 3]])
    assert np.array_equal(means(found)[2], whole[2])
    forecast = load_bundle(found).predict(None, 3)
    assert [str(ds[0])[:7] for ds in forecast.ds] == ["2019-08", "2019-08", "2021-01", "2019-08"]
    assert load_bundle(found).meta.cutoff == "2020-12-01T00:00:00"


def test_without_a_new_point_the_bytes_are_the_same():
    panel = panels.monthly()
    data = ensembles.packed("theta", panel, HORIZON)
    assert update(data, panel) == data
    assert update(data, before(panel)) == data


def test_missing_times_are_filled_as_in_training_and_flagged():
    panel = panels.monthly(2)
    kept = np.ones(len(panel.values), bool)
    kept[panel.indptr[1] - 5] = False
    gap = Panel(
        panel.series_ids,
        panel.values[kept],
        panel.indptr - np.asarray([0, 1, 1]),
        panel.ds[kept],
        panel.frequency,
    )
    filled = panel.values.copy()
    filled[panel.indptr[1] - 5] = filled[panel.indptr[1] - 5 - 12]
    data = ensembles.packed("theta", before(panel), HORIZON)
    found = update(data, gap)
    assert means(found) == pytest.approx(means(update(data, replace(panel, values=filled))), rel=1e-12)
    assert load_bundle(found).predict(None, 2).flags == (("gap_filled",), ())


def test_paths_give_their_weight_to_the_members_that_move():
    panel = panels.monthly()
    shares = np.asarray([[0.5, 0.25, 0.25], [0.9, 0.1, 0.0], [0.0, 0.4, 0.6], [0.0, 0.0, 1.0]])
    data = ensembles.ensemble(("paths", "theta", "auto_ets"), before(panel), HORIZON, shares)
    found = load_bundle(update(data, panel))
    expected = [[0, 0.5, 0.5], [0, 1, 0], [0, 0.4, 0.6], [0, 0, 1]]
    assert found.weights == pytest.approx(np.asarray(expected))
    assert "paths has no part in it" in found.meta.notes[-1]
    some = load_bundle(update(data, panel.take([1])))
    assert some.weights == pytest.approx(np.asarray([shares[0], [0, 1, 0], shares[2], shares[3]]))


def test_a_series_with_nothing_but_paths_cannot_move():
    panel = panels.monthly()
    shares = np.asarray([[0.5, 0.5], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    data = ensembles.ensemble(("paths", "theta"), before(panel), HORIZON, shares)
    with pytest.raises(errors.NotUpdatable, match="train again") as caught:
        update(data, panel)
    assert caught.value.fields["series_ids"] == ["series-1", "series-3"]
    assert caught.value.fields["members"] == ["paths"]
    assert load_bundle(update(data, panel.take([0, 2]))).weights[0] == pytest.approx([0, 1])


def test_states_of_the_first_format_move_where_they_hold_enough():
    def more(name: str) -> tuple[bytes, Panel]:
        data = (KEPT / name).read_bytes()
        loaded = load_bundle(data)
        ds, y = loaded.history("series-0")
        grid = loaded.meta.frequency
        return data, Panel(("series-0",), y[-3:] + 1, np.asarray([0, 3]), grid.future(ds[-1], 3), grid)

    data, panel = more("1-theta.alm")
    assert load_bundle(update(data, panel)).history("series-0")[1][-3:].tolist() == panel.values.tolist()
    with pytest.raises(errors.NotUpdatable, match="alpha, beta, gamma"):
        update(*more("1-auto_ets.alm"))


def test_changed_history_is_refused_as_far_as_the_model_remembers_it():
    panel = panels.monthly(2, 400)
    data = ensembles.packed("theta", before(panel), HORIZON)
    values = panel.values.copy()
    values[0] += 1
    update(data, replace(panel, values=values))
    values[panel.indptr[1] - NEW - 3] += 1
    with pytest.raises(errors.ChangedHistory, match="series-0") as caught:
        update(data, replace(panel, values=values))
    assert caught.value.fields["ds"] == str(panel.ds[panel.indptr[1] - NEW - 3])


def test_points_off_the_grid_or_of_other_series_are_refused():
    panel = panels.monthly()
    data = ensembles.packed("theta", before(panel), HORIZON)
    late = after(panel)
    moved = Panel(late.series_ids, late.values, late.indptr, late.ds + np.timedelta64(1, "D"), late.frequency)
    with pytest.raises(errors.OffGrid, match="series-0"):
        update(data, moved)
    with pytest.raises(errors.UnknownSeries, match="nobody"):
        update(data, replace(panel, series_ids=("nobody", *panel.series_ids[1:])))
    with pytest.raises(errors.MalformedPanel, match="frequency"):
        update(data, panels.build(panels.seasonal(4, 90), "D"))


def test_a_covariate_that_the_model_needs_must_be_there():
    panel = panels.retail()
    data = ensembles.packed("lightgbm_global", before(panel), HORIZON)
    with pytest.raises(errors.MalformedPanel, match="price"):
        update(data, replace(panel, known_future={}))


@pytest.mark.parametrize(("setting", "bound"), [("auto", -np.inf), (True, 0.0), (False, -np.inf)])
def test_a_negative_point_lifts_the_bound_unless_it_was_wished_for(setting, bound):
    panel = panels.monthly(2)
    values = panel.values.copy()
    values[-1] = -5.0
    data = ensembles.packed("theta", before(panel), HORIZON, non_negative=setting)
    found = load_bundle(update(data, replace(panel, values=values)))
    assert found.lower[1] == bound
    assert found.lower[0] == (-np.inf if setting is False else 0.0)


@pytest.mark.parametrize("frequency", ["B", "W-SUN", "QE", "h", "15min", 1, 7])
def test_every_grid_goes_on(frequency):
    panel = panels.build(panels.seasonal(2, 60), frequency)
    data = ensembles.ensemble(("theta", "seasonal_naive"), before(panel), HORIZON)
    found = load_bundle(update(data, panel))
    assert np.array_equal(found.predict(None, 3).ds[1], panel.frequency.future(panel.ds[-1], 3))
    assert found.meta.cutoff == str(panel.ds[-1])


def test_an_update_names_the_bundle_it_came_from():
    panel = panels.monthly()
    data = ensembles.packed("theta", before(panel), HORIZON)
    assert bundle.unpack(update(data, panel)).meta["updated_from"] == bundle.digest(data)
