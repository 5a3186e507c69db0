"""Series that have just begun are forecast from what the others do, and say so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apps.engine import EngineError, Event, Spec, errors, forecast, from_columns, load_bundle
from apps.engine.explain import explain
from apps.engine.panel import Panel
from apps.engine.update import update
from tests.engine import panels

QUICK = ("theta",)
LEVELS = (80, 95)


def shops(count: int = 30, length: int = 60, seed: int = 0) -> Panel:
    """Shops of very different size with one season."""
    rng = np.random.default_rng(seed)
    season = 1 + 0.4 * np.sin(2 * np.pi * np.arange(length) / 12)
    sizes = rng.lognormal(4, 0.7, count)
    return panels.build([size * season * (1 + rng.normal(0, 0.08, length)) for size in sizes])


def last(whole: Panel, points: dict[int, int]) -> Panel:
    """The panel with only the last so many points of some series."""
    keep = np.ones(len(whole.values), bool)
    lengths = whole.lengths.copy()
    for row, count in points.items():
        keep[whole.indptr[row] : whole.indptr[row + 1] - count] = False
        lengths[row] = count
    return replace(
        whole,
        values=whole.values[keep],
        ds=whole.ds[keep],
        indptr=np.concatenate([[0], np.cumsum(lengths)]),
        known_future={name: column[keep] for name, column in whole.known_future.items()},
        past={name: column[keep] for name, column in whole.past.items()},
    )


def finite(found) -> bool:
    sides = [side for level in LEVELS for side in found.bands[level][:2]]
    return all(np.isfinite(values).all() for values in (found.mean, *sides))


@pytest.mark.parametrize("points", [1, 2, 3])
def test_a_new_series_follows_the_season_of_the_others_on_its_own_level(points):
    whole = shops()
    start = whole.head(np.full(30, 48))
    truth = np.stack([whole.series(s)[48:] for s in range(30)])
    missed, naive, inside, wide = [], [], [], []
    for first in range(0, 30, 6):
        rows = np.arange(first, first + 6)
        found = forecast(last(start, dict.fromkeys(rows.tolist(), points)), Spec(12, candidates=QUICK))
        assert all(found.flags[row] == ("cold_start", "not_backtested") for row in rows)
        assert finite(found)
        missed.append(np.abs(found.mean[rows] - truth[rows]).sum())
        naive.append(np.abs(start.values.reshape(30, -1)[rows, -1:] - truth[rows]).sum())
        band = found.bands[80]
        inside.append(((band.lo <= truth) & (truth <= band.hi))[rows].mean())
        wide.append(((band.hi - band.lo) / found.mean)[rows].mean())
    assert sum(missed) < 0.4 * sum(naive)
    assert sum(missed) < 0.12 * truth.sum()
    assert np.mean(inside) >= 0.8
    assert np.mean(wide) < 1.0


def test_a_series_without_a_point_is_at_the_middle_of_the_others_in_bands_as_wide_as_they_differ():
    whole = shops()
    start = last(whole.head(np.full(30, 48)), {0: 0, 7: 0, 29: 0})
    found = forecast(start, Spec(12, candidates=QUICK))
    assert found.series_ids == whole.series_ids
    assert finite(found)
    assert [row for row in range(30) if "cold_start" in found.flags[row]] == [0, 7, 29]
    assert str(found.ds[7][0]) == str(found.ds[1][0])
    levels = [start.series(s)[-12:].mean() for s in range(30) if s not in (0, 7, 29)]
    assert found.mean[7].mean() == pytest.approx(np.median(levels), rel=0.05)
    assert np.corrcoef(found.mean[7], found.mean[1])[0, 1] > 0.9
    truth = whole.values.reshape(30, -1)[:, 48:]
    assert ((found.bands[80].lo[7] <= truth) & (truth <= found.bands[80].hi[7])).mean() > 0.7
    assert (found.bands[80].lo >= 0).all()
    assert any("3 series have at most 3 points" in note for note in found.training.notes)


def test_series_with_the_same_attributes_are_looked_at_first():
    rng = np.random.default_rng(2)
    wave = np.sin(2 * np.pi * np.arange(48) / 12)
    sales = [100 * (1 + sign * 0.4 * wave) + rng.normal(0, 3, 48) for sign in (1, -1) for _ in range(8)]
    plain = replace(panels.build(sales), static={"kind": ["ice"] * 8 + ["tea"] * 8})
    found = forecast(last(plain, {0: 1, 15: 0}), Spec(12, candidates=QUICK))
    assert np.corrcoef(found.mean[0], wave[:12])[0, 1] > 0.9
    assert np.corrcoef(found.mean[15], -wave[:12])[0, 1] > 0.9


def test_a_bundle_tells_the_parts_draws_paths_and_explains():
    found = forecast(last(shops(12), {3: 0, 5: 2}), Spec(12, candidates=QUICK))
    loaded = load_bundle(found.training.bundle)
    told = loaded.components(None, 12)
    assert np.abs(sum(part.values for part in told.parts) - told.mean).max() < 1e-9 * told.mean.max()
    assert np.isfinite(loaded.samples(None, 12, 50, 1)).all()
    assert len(loaded.history("series-3")[1]) == 0
    assert len(loaded.history("series-5")[1]) == 2
    why = explain(found.training.bundle, "series-3", 4)
    assert why.prediction == found.mean[3, 3]
    assert np.array_equal(
        found.mean, forecast(last(shops(12), {3: 0, 5: 2}), Spec(12, candidates=QUICK)).mean
    )


def test_new_points_put_the_profile_on_the_level_that_they_say():
    whole = shops(12, 72)
    start = last(whole.head(np.full(12, 58)), {3: 0, 5: 2})
    data = forecast(start, Spec(12, candidates=("seasonal_naive",))).training.bundle
    before = load_bundle(data).predict(None, 12, LEVELS)
    more = last(whole.head(np.full(12, 60)), {3: 1, 5: 4})
    moved = load_bundle(update(data, more))
    after = moved.predict(None, 12, LEVELS)
    truth = np.stack([whole.series(s)[60:72] for s in range(12)])
    for row, steps in ((3, 2), (5, 2)):
        assert after.ds[row][0] == before.ds[row][steps] == after.ds[0][0]
        assert "cold_start" in after.flags[row]
        assert np.abs(after.mean[row] - truth[row]).sum() < 0.2 * truth[row].sum()
        assert np.isfinite(after.bands[95].hi[row]).all()
    assert moved.history("series-3")[1].tolist() == [whole.series(3)[59]]
    assert len(moved.history("series-5")[1]) == 4


def test_a_point_where_a_new_series_had_none_is_a_changed_history():
    whole = shops(12)
    data = forecast(last(whole.head(np.full(12, 58)), {3: 0}), Spec(6, candidates=QUICK)).training.bundle
    with pytest.raises(errors.ChangedHistory, match="where the model has seen no point"):
        update(data, last(whole, {3: 5}))
    assert update(data, last(whole.head(np.full(12, 58)), {3: 0})) == data


@pytest.mark.parametrize("seed", range(3))
def test_in_a_hierarchy_new_series_have_no_part_in_the_past_and_all_adds_up(seed):
    stores = [f"s{s // 3}" for s in range(12)]
    start = replace(last(shops(12, seed=seed), {3: 0, 4: 0, 5: 0, 8: 2}), static={"store": stores})
    found = forecast(start, Spec(6, hierarchy=("store",), candidates=QUICK))
    assert finite(found)
    total, store = found.series_ids.index("Total"), found.series_ids.index("store=s1")
    for values in (found.mean, found.bands[80].lo, found.bands[95].hi):
        assert np.allclose(values[total], values[:12].sum(axis=0), rtol=1e-9)
        assert np.allclose(values[store], values[3:6].sum(axis=0), rtol=1e-9)
    assert "cold_start" in found.flags[store]
    assert "cold_start" not in found.flags[total]
    known = [s for s in range(12) if s not in (3, 4, 5)]
    past = load_bundle(found.training.bundle).history("Total")[1]
    assert past[-1] == pytest.approx(sum(start.series(s)[-1] for s in known))


def test_series_below_zero_are_compared_by_their_spread():
    rng = np.random.default_rng(4)
    wave = np.sin(2 * np.pi * np.arange(60) / 12)
    plain = panels.build([20 * s - 100 + 10 * wave + rng.normal(0, 2, 60) for s in range(10)])
    found = forecast(last(plain, {2: 2, 6: 0}), Spec(12, candidates=QUICK))
    assert finite(found)
    assert found.mean[2].mean() == pytest.approx(-60, abs=6)
    assert np.corrcoef(found.mean[2], wave[:12])[0, 1] > 0.9
    assert found.bands[95].lo[6].min() < -60


def test_covariates_and_holidays_of_a_series_without_points_are_there_too():
    plain = last(panels.retail(8), {1: 0, 2: 3})
    spec = Spec(
        7,
        effort="fast",
        candidates=("lightgbm_global",),
        country="DE",
        events=(Event("fair", ("2015-02-02",)),),
    )
    found = forecast(plain, spec)
    assert finite(found)
    assert "cold_start" in found.flags[1]


def test_with_few_others_a_short_series_is_forecast_as_before_and_an_empty_one_from_what_there_is():
    found = forecast(last(shops(4), {0: 2, 1: 0}), Spec(6, candidates=QUICK))
    assert "cold_start" not in found.flags[0]
    assert "cold_start" in found.flags[1]
    assert finite(found)
    tiny = forecast(last(shops(3), {0: 2, 1: 0, 2: 1}), Spec(6, candidates=QUICK))
    assert finite(tiny)
    assert tiny.bands[80].hi[1].min() > tiny.mean[1].max()


def test_others_that_are_all_zero_give_zero_with_a_band():
    found = forecast(last(panels.build([np.zeros(40)] * 6), {2: 0, 3: 2}), Spec(6, candidates=QUICK))
    assert finite(found)
    assert not found.mean[2:4].any()


def test_columns_name_series_that_have_no_row_yet():
    whole = shops(6)
    ids = np.repeat(whole.series_ids, whole.lengths)
    made = from_columns(ids, whole.ds, whole.values, new=("aa", "zz", "series-1"))
    assert made.series_ids == ("aa", *whole.series_ids, "zz")
    assert made.lengths.tolist() == [0, *whole.lengths.tolist(), 0]
    assert np.array_equal(made.series(1), whole.series(0))
    assert "cold_start" in forecast(made, Spec(3, candidates=QUICK)).flags[7]


def test_a_panel_of_nothing_but_empty_series_is_refused():
    with pytest.raises(errors.EmptyPanel):
        Panel(("a", "b"), np.zeros(0), np.zeros(3), np.zeros(0, "datetime64[s]"), shops(1).frequency)
    with pytest.raises(EngineError):
        from_columns([], [], [], new=("a",))


def test_errors_still_name_the_right_series_beside_empty_ones():
    whole = last(shops(6), {0: 0, 3: 0})
    wrong = whole.values.copy()
    wrong[whole.indptr[4]] = np.nan
    with pytest.raises(errors.NonFiniteValue, match="'series-4'"):
        replace(whole, values=wrong)
    times = whole.ds.copy()
    times[whole.indptr[4] + 1] = times[whole.indptr[4]]
    with pytest.raises(errors.DuplicateTimestamp, match="'series-4'"):
        replace(whole, ds=times)


def test_in_a_hierarchy_new_points_of_new_series_move_the_totals_too():
    stores = {"store": [f"s{s // 3}" for s in range(12)]}
    whole = replace(shops(12, 66), static=stores)
    begun = last(whole.head(np.full(12, 60)), {3: 2, 4: 1, 5: 2})
    spec = Spec(6, hierarchy=("store",), candidates=QUICK)
    more = last(whole.head(np.full(12, 62)), {3: 4, 4: 3, 5: 4})
    moved = load_bundle(update(forecast(begun, spec).training.bundle, more))
    found = moved.predict(None, 6, LEVELS)
    assert finite(found)
    total, store = moved.rows["Total"], moved.rows["store=s1"]
    assert np.allclose(found.mean[total], found.mean[:12].sum(axis=0), rtol=1e-9)
    assert np.allclose(found.bands[80].hi[store], found.bands[80].hi[3:6].sum(axis=0), rtol=1e-9)
    assert moved.history("store=s1")[1][-1] == pytest.approx(sum(more.series(s)[-1] for s in (3, 4, 5)))
    none = last(whole.head(np.full(12, 60)), {3: 0})
    with pytest.raises(errors.MalformedPanel, match="'series-3' had no points"):
        update(forecast(none, spec).training.bundle, last(whole.head(np.full(12, 62)), {3: 2}))
