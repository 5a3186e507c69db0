"""Forecasts of a hierarchy add up, from the panel to the bundle, whatever the tree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apps.engine import Result, Spec, bundle, errors, forecast, load_bundle, reconciling
from apps.engine.explain import explain
from apps.engine.panel import Panel
from apps.engine.serving.reconcile import METHODS
from apps.engine.update import update
from tests.engine import panels

KEYS = ("region", "store")
QUICK = ("theta",)
LEVELS = (80, 95)


def shop(regions: list[str], stores: list[str], length: int = 60, seed: int = 0) -> Panel:
    plain = panels.build(panels.seasonal(len(regions), length, seed=seed))
    return replace(plain, static={"region": regions, "store": stores})


def small(length: int = 60) -> Panel:
    return shop(list("NNNSSS"), list("112334"), length)


def random_tree(seed: int) -> Panel:
    rng = np.random.default_rng(seed)
    stores = rng.integers(0, 5, int(rng.integers(2, 12)))
    return shop([f"r{s % 2}" for s in stores], [f"s{s}" for s in stores], 48, seed)


def summing(found: Result) -> np.ndarray:
    """Which series each total sums, by its name and the attributes; bool[S, S]."""
    loaded = load_bundle(found.training.bundle)
    if loaded.reconciler is None:
        return np.eye(len(found.series_ids))
    structure = loaded.reconciler.structure
    whole = np.zeros((len(structure), len(structure)))
    whole[:, structure.bottoms] = structure.matrix()
    return whole


def close(found: np.ndarray, wanted: np.ndarray) -> bool:
    return bool(np.abs(found - wanted).max() <= 1e-9 * np.abs(wanted).max())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("extra", [{}, {"integer": True}, {"upper": 115.0}])
def test_means_bands_and_paths_of_random_trees_add_up(seed, extra):
    found = forecast(random_tree(seed), Spec(6, hierarchy=KEYS, candidates=QUICK, **extra))
    sums = summing(found)
    loaded = load_bundle(found.training.bundle)
    for values in (found.mean, *(side for level in LEVELS for side in found.bands[level][:2])):
        assert close(values, sums @ values)
    paths = loaded.samples(None, 6, 20, 3)
    assert close(paths, np.einsum("st,tch->sch", sums, paths))
    assert (found.bands[95].lo <= found.bands[80].lo).all()
    assert (found.bands[80].lo <= found.mean).all()
    assert (found.mean <= found.bands[80].hi).all()
    assert (found.bands[80].hi <= found.bands[95].hi).all()
    if extra.get("integer"):
        assert np.array_equal(found.mean, np.rint(found.mean))
        assert np.array_equal(paths, np.rint(paths))
    if "upper" in extra:
        bottoms = np.diag(sums) == 1
        assert found.bands[95].hi[bottoms].max() <= 115.0
        assert paths[bottoms].max() <= 115.0


def test_the_result_has_every_series_and_total_and_says_how_they_add_up():
    found = forecast(small(), Spec(6, hierarchy=KEYS, candidates=QUICK))
    names = ("Total", "region=N", "region=S", "region=N/store=1", "region=S/store=3")
    assert found.series_ids == (*small().series_ids, *names)
    assert any(said.startswith("Forecasts are made to add up") for said in found.choices)
    assert any("5 totals were added" in note for note in found.training.notes)
    assert bundle.unpack(found.training.bundle).meta["reconcile"]["method"] in METHODS
    assert bundle.unpack(found.training.bundle).meta["format"] == 2


def test_a_part_of_the_request_gives_the_same_numbers_as_the_whole():
    found = forecast(small(), Spec(6, hierarchy=KEYS, candidates=QUICK))
    loaded = load_bundle(found.training.bundle)
    part = loaded.predict(["Total", "series-2"], 4, LEVELS)
    rows = [found.series_ids.index("Total"), 2]
    assert np.array_equal(part.mean, found.mean[rows, :4])
    assert np.array_equal(part.bands[80].hi, found.bands[80].hi[rows, :4])
    whole = loaded.samples(None, 6, 10, 3)
    assert np.array_equal(loaded.samples(["Total", "series-2"], 6, 10, 3), whole[rows])


def test_components_and_explanations_say_what_adding_up_did():
    found = forecast(small(), Spec(6, hierarchy=KEYS, candidates=("theta", "auto_ets"), windows=3))
    loaded = load_bundle(found.training.bundle)
    told = loaded.components(None, 6)
    assert close(sum(part.values for part in told.parts), told.mean)
    assert np.array_equal(told.mean, found.mean)
    added = next(part for part in told.parts if part.kind == "reconciliation")
    assert added.label == "made to add up"
    why = explain(found.training.bundle, "Total", 2)
    assert why.base + sum(part.value for part in why.parts) == pytest.approx(why.prediction, rel=1e-9)
    assert why.prediction == found.mean[6, 1]
    moved = {part.name: part.value for part in why.parts}["reconciliation"]
    assert moved == pytest.approx(added.values[6, 1], abs=1e-9)


def test_covariates_of_a_request_move_the_totals_they_are_part_of():
    plain = replace(panels.retail(), static={"region": list("NNSS")})
    spec = Spec(
        7, hierarchy=("region",), effort="fast", candidates=("lightgbm_global",), future_covariates="request"
    )
    loaded = load_bundle(forecast(plain, spec).training.bundle)
    names = [*plain.series_ids, "region=N"]
    quiet, sale = ({"price": [10.0] * 7, "promotion": [share] * 7} for share in (0.0, 1.0))
    low = loaded.predict(names, 7, (), {"series-0": quiet, "series-1": quiet})
    high = loaded.predict(names, 7, (), {"series-0": sale, "series-1": sale})
    assert (high.mean[4] > 1.2 * low.mean[4]).all()
    assert np.allclose(high.mean[4], high.mean[0] + high.mean[1])


def test_series_that_ended_early_are_brought_up_and_flagged():
    whole = small()
    keep = np.ones(len(whole.values), bool)
    keep[whole.indptr[3] - 2 : whole.indptr[3]] = False
    late = replace(
        whole, values=whole.values[keep], ds=whole.ds[keep],
        indptr=whole.indptr - 2 * (np.arange(7) >= 3),
    )  # fmt: skip
    found = forecast(late, Spec(6, hierarchy=KEYS, candidates=QUICK))
    assert "gap_filled" in found.flags[2]
    assert any("series-2 (2)" in note for note in found.training.notes)
    assert {str(ds[0]) for ds in found.ds} == {str(found.ds[0][0])}


def test_attributes_that_form_no_hierarchy_are_refused():
    with pytest.raises(errors.InvalidHierarchy, match="no attribute 'country'"):
        forecast(small(), Spec(6, hierarchy=("country",), candidates=QUICK))


def test_a_hierarchy_of_one_series_is_noted_and_forecast():
    one = shop(["N"], ["1"])
    found = forecast(one, Spec(6, hierarchy=KEYS, candidates=QUICK))
    assert found.series_ids == one.series_ids
    assert any("no totals" in note for note in found.training.notes)


def test_new_points_move_the_totals_with_their_parts():
    long = small(66)
    start = long.head(np.full(6, 60))
    found = forecast(start, Spec(6, hierarchy=KEYS, candidates=QUICK))
    moved = load_bundle(update(found.training.bundle, long))
    assert moved.history("Total")[1][-1] == pytest.approx(sum(long.series(s)[-1] for s in range(6)))
    after = moved.predict(None, 6, LEVELS)
    assert close(after.mean, summing(found) @ after.mean)
    assert str(after.ds[0][0]) == "2020-07-01T00:00:00"
    with pytest.raises(errors.MalformedPanel, match="all of them"):
        update(found.training.bundle, long.take([0, 1]))
    with pytest.raises(errors.MalformedPanel, match="'series-1' ends before"):
        update(found.training.bundle, long.head(np.asarray([66, 65, 66, 66, 66, 66])))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("parents", np.arange(11)),
        ("parents", np.full(11, -1.0)),
        ("parents", np.roll(np.arange(11), 1)),
        ("parents", np.full(11, 11)),
        ("parents", np.full(3, -1)),
        ("variances", np.zeros(11)),
        ("variances", np.full(11, np.nan)),
        ("matrix", np.ones((6, 5))),
        ("matrix", np.full((6, 11), np.inf)),
    ],
)
def test_a_bundle_whose_tree_or_weights_do_not_fit_is_damaged(name, value):
    content = bundle.unpack(forecast(small(), Spec(6, hierarchy=KEYS, candidates=QUICK)).training.bundle)
    method = {"variances": "wls_var", "matrix": "mint_shrink"}.get(name, "bottom_up")
    meta = {**content.meta, "reconcile": {**content.meta["reconcile"], "method": method}}
    arrays = {**content.arrays, f"reconcile/{name}": value}
    with pytest.raises(errors.BundleDamaged, match="reconcile"):
        load_bundle(bundle.pack(bundle.Content(meta, arrays, content.texts)))


def test_a_test_vector_tells_when_the_weights_were_changed():
    found = forecast(small(), Spec(6, hierarchy=KEYS, candidates=("theta", "auto_ets"), windows=3))
    content = bundle.unpack(found.training.bundle)
    meta = {**content.meta, "reconcile": {**content.meta["reconcile"], "method": "wls_struct"}}
    other = {"reconcile/variances": np.linspace(1, 9, len(found.series_ids))}
    with pytest.raises(errors.BundleDamaged, match="test vector"):
        load_bundle(bundle.pack(bundle.Content(meta, {**content.arrays, **other}, content.texts)))


def test_without_a_backtest_forecasts_add_up_all_the_same():
    short = shop(list("NNS"), list("123"), 5)
    found = forecast(short, Spec(6, hierarchy=("region",), candidates=QUICK))
    assert close(found.mean, summing(found) @ found.mean)
    assert any("no backtest to compare" in said for said in found.choices)


def test_a_small_budget_leaves_out_what_would_have_to_be_imported_first(monkeypatch):
    monkeypatch.setattr(reconciling, "_can_import", lambda left: left is None)
    given = Spec(6, hierarchy=KEYS, candidates=QUICK, windows=3)
    found = forecast(small(), replace(given, time_budget_seconds=60.0))
    assert "minimum trace" not in found.choices[-1]
