"""Totals become series of the panel, and forecasts of the whole add up, bounds included."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from apps.engine import Spec, backtest, errors, reconciling
from apps.engine.forecasters import REGISTRY
from apps.engine.forecasters.base import FitContext
from apps.engine.hierarchy import align, expand
from apps.engine.panel import Panel
from apps.engine.serving.reconcile import METHODS, WLS_STRUCT, WLS_VAR, Reconciler, Structure
from apps.engine.vintages import Vintages
from tests.engine.panels import build, seasonal

KEYS = ("region", "store")
STORES = ("1", "1", "2", "3", "3", "4")
REGIONS = ("North", "North", "North", "South", "South", "South")
NAMES = ("Total", "region=North", "region=South", "region=North/store=1", "region=South/store=3")


def panel(length: int = 60, **known: list) -> Panel:
    """Six series in four stores, two of which have one series only."""
    plain = build(seasonal(6, length), **known)
    return replace(plain, static={"region": REGIONS, "store": STORES, "size": [1, 1, 2, 3, 4, 3]})


def cut(whole: Panel, row: int, *, start: int = 0, end: int = 0) -> Panel:
    """The panel without the first `start` and the last `end` points of a series."""
    keep = np.ones(len(whole.values), bool)
    part = whole.slice_of(row)
    keep[part.start : part.start + start] = False
    keep[part.stop - end : part.stop] = False
    lengths = whole.lengths - np.where(np.arange(len(whole)) == row, start + end, 0)
    return replace(
        whole,
        values=whole.values[keep],
        indptr=np.concatenate([[0], np.cumsum(lengths)]),
        ds=whole.ds[keep],
        known_future={name: column[keep] for name, column in whole.known_future.items()},
    )


def of(whole: Panel, name: str) -> np.ndarray:
    return whole.series(whole.series_ids.index(name))


def test_totals_are_series_and_a_total_of_one_series_is_that_series():
    base = panel()
    whole, structure = expand(base, KEYS)
    assert whole.series_ids == (*base.series_ids, *NAMES)
    assert structure.names == whole.series_ids
    assert np.array_equal(structure.bottoms, np.arange(6))
    assert structure.parents.tolist() == [9, 9, 7, 10, 10, 8, -1, 6, 6, 7, 8]
    assert np.allclose(of(whole, "Total"), sum(base.series(s) for s in range(6)))
    assert np.allclose(of(whole, "region=South/store=3"), base.series(3) + base.series(4))
    assert whole.static["region"][6:] == [None, "North", "South", "North", "South"]
    assert whole.static["size"][6:] == [None, None, None, 1, None]


def test_a_part_counts_as_nothing_before_it_starts():
    base = cut(panel(), 0, start=20)
    whole, structure = expand(base, KEYS)
    other = base.series(1)
    assert np.allclose(of(whole, NAMES[3])[:20], other[:20])
    assert np.allclose(of(whole, NAMES[3])[20:], other[20:] + base.series(0))
    late = cut(cut(panel(), 0, start=20), 1, start=15)
    started, _ = expand(late, KEYS)
    assert len(of(started, NAMES[3])) == 45
    assert started.times(started.series_ids.index(NAMES[3]))[0] == late.times(1)[0]
    assert len(structure) == len(whole)


def test_covariates_of_totals_are_means():
    price = [np.full(60, float(s)) for s in range(6)]
    base = replace(
        panel(price=price),
        future={"price": np.asarray([[1.0, 2], [3, np.nan], [5, 6], [7, 8], [9, 1], [2, np.nan]])},
        past={"visits": np.concatenate(price)},
    )
    whole, _ = expand(base, KEYS)
    row = whole.series_ids.index(NAMES[3])
    assert set(whole.known_future["price"][whole.slice_of(row)]) == {0.5}
    assert set(whole.past["visits"][whole.slice_of(6)]) == {2.5}
    assert whole.future["price"][row].tolist() == [2.0, 2.0]


def test_a_point_of_a_total_was_known_once_its_parts_were():
    base = panel()
    moments = np.asarray(["2020-01-05", "2020-01-09", "2020-01-07"], "datetime64[s]")
    late = Vintages(
        np.asarray([0, 0, 1]),
        np.full(3, 59),
        moments,
        np.asarray([50.0, base.series(0)[59], base.series(1)[59]]),
    )
    whole, _ = expand(replace(base, vintages=late), KEYS)
    lines = whole.vintages
    assert lines is not None
    assert np.array_equal(lines.series, [0, 0, 1, 6, 6, 7, 7, 9, 9])
    assert set(lines.position) == {59}
    assert np.array_equal(lines.known_at[-2:], moments[[2, 1]])
    assert lines.value[-2:] == pytest.approx([50.0 + base.series(1)[59], of(whole, NAMES[3])[59]])
    assert lines.value[3] == pytest.approx(of(whole, "Total")[59] - base.series(0)[59] + 50.0)
    none, _ = expand(base, KEYS)
    assert none.vintages is None


@pytest.mark.parametrize(
    ("change", "keys", "words"),
    [
        ({}, ("country",), "no attribute 'country'; they have: region, size, store"),
        ({"static": {"region": [*REGIONS[:5], None]}}, ("region",), "'series-5' has no value of attribute"),
        (
            {"static": {"region": REGIONS, "store": ("1", "1", "2", "3", "3", "2")}},
            KEYS,
            "'store' is not nested in 'region': '2' lies in 2 of them",
        ),
        ({"series_ids": ("Total", "b", "c", "d", "e", "f")}, KEYS, "'Total' is the name of a total"),
    ],
)
def test_what_forms_no_hierarchy_is_refused(change, keys, words):
    with pytest.raises(errors.InvalidHierarchy, match=words):
        expand(replace(panel(), **change), keys)


def test_series_that_end_apart_or_have_gaps_are_refused():
    with pytest.raises(errors.InvalidHierarchy, match="do not end at the same time"):
        expand(cut(panel(), 2, end=1), KEYS)
    base = panel()
    keep = np.arange(len(base.values)) != 30
    gap = replace(base, values=base.values[keep], ds=base.ds[keep], indptr=base.indptr - (np.arange(7) > 0))
    with pytest.raises(errors.InvalidHierarchy, match="gaps"):
        expand(gap, KEYS)


def test_late_series_are_brought_up_to_the_end():
    full = panel(price=[np.arange(60.0) for _ in range(6)])
    late = replace(cut(full, 2, end=2), future={"price": np.tile([100.0, 101.0, 102.0], (6, 1))})
    whole, filled = align(late)
    assert filled == {"series-2": 2}
    assert whole.lengths.tolist() == [60] * 6
    assert np.array_equal(whole.series(2)[-2:], full.series(2)[46:48])
    assert whole.known_future["price"][whole.slice_of(2)][-2:].tolist() == [100.0, 101.0]
    assert whole.future["price"][2].tolist()[:1] == [102.0]
    assert np.isnan(whole.future["price"][2][1:]).all()
    assert align(full)[0] is full
    with pytest.raises(errors.InvalidHierarchy, match=r"'series-2' ends at 2018-11-01.*, 13 steps before"):
        align(cut(full, 2, end=13))


def tree(regions: int = 2, stores: int = 2, items: int = 3) -> Structure:
    """Every total kept; totals after the bottoms, as `expand` puts them."""
    bottoms = regions * stores * items
    top, first = bottoms, bottoms + 1 + regions
    parents = [first + b // items for b in range(bottoms)]
    parents += [-1, *[top] * regions, *(top + 1 + s // stores for s in range(regions * stores))]
    return Structure(tuple(map(str, range(len(parents)))), np.asarray(parents))


def example(structure: Structure, windows: int = 4, horizon: int = 6, seed: int = 3):
    """Truth that adds up, and forecasts with an error of its own in every series: windows of f8[S, H] each."""
    rng = np.random.default_rng(seed)
    shape = (windows, len(structure), horizon)
    size = rng.uniform(5, 20, len(structure))[None, :, None]
    actual = np.stack([structure.add_up(y) for y in 100 + size * rng.normal(size=shape)])
    level = structure.add_up(np.full(len(structure), 100.0))[None, :, None]
    spread = np.sqrt(structure.add_up(size[0, :, 0] ** 2))[None, :, None]
    return list(level + 0.6 * (actual - level) + 0.3 * spread * rng.normal(size=shape)), list(actual)


FOREST = tree()
FORECASTS, ACTUALS = example(FOREST)


def bands_of(base: np.ndarray) -> dict:
    rng = np.random.default_rng(5)
    inner = 3 + 5 * rng.random((2, *base.shape))
    return {80: (base - inner[0], base + inner[1]), 95: (base - 2 * inner[0], base + 1.5 * inner[1])}


def summed(values: np.ndarray, structure: Structure = FOREST) -> np.ndarray:
    return structure.matrix() @ values[structure.bottoms]


@pytest.mark.parametrize("own_widths", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_forecasts_and_each_bound_add_up_nested_around_the_mean(method, own_widths):
    found = reconciling.fit(FOREST, method, FORECASTS[1:], ACTUALS[1:])
    reconciler = replace(found, own_widths=own_widths)
    base, lower = FORECASTS[0] - 85.0, np.zeros(len(FOREST))
    for bound in (None, lower):
        mean = reconciler.apply(base, bound)
        bands = reconciler.bands(base, mean, bands_of(base), bound)
        for values in (mean, *bands[80], *bands[95]):
            assert np.allclose(values, summed(values), rtol=0, atol=1e-9)
        assert (bands[95][0] <= bands[80][0]).all()
        assert (bands[80][0] <= mean).all()
        assert (mean <= bands[80][1]).all()
        assert (bands[80][1] <= bands[95][1]).all()
        if bound is not None:
            assert (mean >= 0).all()
            assert (bands[95][0] >= 0).all()


def ranges(structure: Structure) -> dict[str, np.ndarray]:
    """hierarchicalforecast's tags; it wants totals first."""
    depths = structure.depths[np.concatenate([structure.totals, structure.bottoms])]
    return {str(depth): np.flatnonzero(depths == depth) for depth in range(depths.max() + 1)}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", METHODS)
def test_it_agrees_with_hierarchicalforecast(method):
    from hierarchicalforecast import methods

    order = np.concatenate([FOREST.totals, FOREST.bottoms])
    known, actual = (np.concatenate(part, axis=1)[order] for part in (FORECASTS[1:], ACTUALS[1:]))
    base, summing = FORECASTS[0][order], FOREST.matrix()[order]
    if method == "bottom_up":
        wanted = methods.BottomUp().fit_predict(summing, base, np.arange(len(FOREST.totals), len(order)))
    elif method == "top_down":
        wanted = methods.TopDown("forecast_proportions").fit_predict(summing, base, tags=ranges(FOREST))
    else:
        wanted = methods.MinTrace(method).fit_predict(summing, base, actual, known)
    found = reconciling.fit(FOREST, method, FORECASTS[1:], ACTUALS[1:]).apply(FORECASTS[0])
    # Its own variances carry a ridge of 2e-8.
    assert np.allclose(found[order], wanted["mean"], rtol=1e-8, atol=0)


def test_weights_do_better_than_the_bottoms_alone_and_are_chosen():
    structure = tree(3, 4, 3)
    forecasts, actuals = example(structure, windows=8)
    scales = np.sqrt(structure.add_up(np.ones(len(structure))))
    found = {
        method: reconciling.compare(structure, method, forecasts, actuals, scales=scales)
        for method in reconciling.candidates(structure, forecasts)
    }
    assert set(found) == set(METHODS)
    assert found[WLS_VAR] <= found["bottom_up"]
    assert found["mint_shrink"] <= found["bottom_up"]
    assert reconciling.choose(structure, forecasts, actuals, scales=scales) == min(found, key=found.get)


def test_methods_are_tried_where_they_can_be():
    assert reconciling.candidates(FOREST, []) == (WLS_STRUCT, "bottom_up")
    assert reconciling.candidates(FOREST, [-FORECASTS[0]]) == (WLS_STRUCT, "bottom_up")
    assert reconciling.choose(FOREST, [], [], scales=np.ones(len(FOREST))) == WLS_STRUCT
    perfect = [np.ones((len(FOREST), 6))] * 3
    assert reconciling.compare(FOREST, "mint_shrink", perfect, perfect, scales=np.ones(len(FOREST))) == np.inf


def test_a_series_without_errors_takes_nothing_of_a_change():
    exact = [
        np.where(np.arange(len(FOREST))[:, None] == 0, a, f) for f, a in zip(FORECASTS, ACTUALS, strict=True)
    ]
    found = reconciling.fit(FOREST, WLS_VAR, exact[1:], ACTUALS[1:]).apply(exact[0])
    assert np.allclose(found[0], exact[0][0], rtol=1e-5)


def test_own_widths_keep_the_parts_coverage_and_mapped_ones_narrow_it():
    structure = tree(3, 4, 3)
    forecasts, actuals = example(structure, windows=200)
    errors_seen = np.abs(np.stack(forecasts[:100]) - np.stack(actuals[:100]))
    width = np.quantile(errors_seen.transpose(1, 0, 2).reshape(len(structure), -1), 0.8, axis=1)[:, None]
    fitted = reconciling.fit(structure, WLS_VAR, forecasts[:100], actuals[:100])
    covered = {}
    for own in (True, False):
        reconciler = replace(fitted, own_widths=own)
        hits = []
        for base, actual in zip(forecasts[100:], actuals[100:], strict=True):
            mean = reconciler.apply(base)
            lo, hi = reconciler.bands(base, mean, {80: (base - width, base + width)})[80]
            hits.append((lo <= actual) & (actual <= hi))
        share = np.mean(hits, axis=(0, 2))
        covered[own] = share[structure.bottoms].mean(), share[structure.totals].mean()
    assert covered[True][0] >= 0.79
    assert covered[True][1] >= 0.95
    assert 0.5 < covered[False][0] < 0.75
    assert covered[False][1] >= 0.8


def test_a_backtest_chooses_and_a_short_series_takes_part_with_what_it_was():
    whole, structure = expand(cut(panel(), 0, start=54), KEYS)
    windows = backtest.plan(whole, Spec(6, windows=3), 3)
    naive = backtest.run(REGISTRY["seasonal_naive"], windows, FitContext(6), lambda done: None)
    pairs = [reconciling.complete(whole, w, f) for w, f in zip(windows, naive.forecasts, strict=True)]
    assert 0 not in windows[0].rows
    for forecast, actual in pairs:
        assert np.allclose(actual, structure.add_up(actual))
        assert np.array_equal(forecast[0], actual[0])
    assert np.array_equal(pairs[0][1][0], whole.series(0))
    assert not pairs[-1][1][0].any()
    forecasts, actuals = zip(*pairs, strict=True)
    lower = backtest.lower_bounds(whole, "auto")
    method = reconciling.choose(structure, forecasts, actuals, scales=backtest.scales(whole), lower=lower)
    coherent = reconciling.fit(structure, method, forecasts, actuals).apply(forecasts[0], lower)
    assert np.allclose(coherent, summed(coherent, structure), rtol=0, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_a_bundle_gives_it_back(method):
    found = reconciling.fit(FOREST, method, FORECASTS, ACTUALS)
    back = Reconciler.from_arrays(FOREST.names, method, found.arrays())
    assert np.array_equal(back.apply(FORECASTS[0]), found.apply(FORECASTS[0]))


def test_the_summing_matrix_is_sparse_and_a_hundred_thousand_series_are_no_burden():
    large = tree(100, 50, 20)
    indptr, columns = large.summing()
    assert len(columns) == 4 * 100_000
    assert np.diff(indptr)[large.totals[0]] == 100_000
    base = np.random.default_rng(0).uniform(1, 100, (len(large), 2))
    found = reconciling.fit(large, WLS_STRUCT, [], []).apply(base)
    assert np.allclose(found, large.add_up(found), rtol=1e-12)


def test_serving_reconciles_with_numpy_alone():
    loaded = "import sys, apps.engine.serving.reconcile; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    heavy = {"pandas", "scipy", "sklearn", "hierarchicalforecast", "polars"}
    assert not heavy & set(modules.stdout.split())
