"""Training chooses, calibrates, reports and never drops a series."""

from __future__ import annotations

import numpy as np
import pytest

from apps.engine import Spec, efforts, errors, from_columns, load_bundle, train
from apps.engine.forecasters import REGISTRY
from apps.engine.forecasters.seasonal_naive import SeasonalNaive

from . import panels

QUICK = ("theta",)


def test_every_candidate_is_on_the_leaderboard_in_order_beside_what_serves():
    result = train(panels.monthly(), Spec(6, effort="fast"))
    names = [line.name for line in result.leaderboard]
    assert set(names) == {"auto", "seasonal_naive", "lightgbm_global", *efforts.MEMBERS["fast"]["seasonal"]}
    found = [line.mase for line in result.leaderboard]
    assert found == sorted(found)
    assert [line.name for line in result.leaderboard if line.selected] == ["auto"] == [result.selected]
    assert all(line.windows >= 2 and line.error is None for line in result.leaderboard)
    shares = [line.weight for line in result.leaderboard if line.name != "auto"]
    assert sum(shares) == pytest.approx(1.0)
    assert result.choices[0] == "5 members tried on 10 windows of 6 steps."
    assert "kept, by their mean weight" in result.choices[1]


def test_one_of_them_may_serve_alone():
    result = train(panels.monthly(), Spec(6, effort="fast", combine=False))
    best = result.leaderboard[0]
    assert best.selected
    assert result.selected == best.name
    assert load_bundle(result.bundle).meta.members[-1] == best.name


def test_a_forecaster_by_name_serves_whatever_the_backtest_says():
    result = train(panels.monthly(), Spec(6, forecaster="window_average"))
    assert result.selected == "window_average"
    assert result.leaderboard[-1].name == "window_average"


def test_the_naive_is_always_a_candidate_and_serves_what_nothing_beats():
    rng = np.random.default_rng(5)
    panel = panels.build([np.tile(rng.random(12) * 100 + 50, 6) for _ in range(4)])
    result = train(panel, Spec(6, candidates=QUICK))
    assert result.selected == "seasonal_naive"
    assert {line.name for line in result.leaderboard} == {"seasonal_naive", "theta"}
    assert result.leaderboard[0].beats_naive is None
    assert result.leaderboard[1].beats_naive is False


def test_progress_never_falls_and_ends_at_a_hundred():
    seen: list[tuple[str, float]] = []
    train(panels.monthly(), Spec(6, candidates=QUICK), lambda stage, percent: seen.append((stage, percent)))
    percents = [percent for _, percent in seen]
    assert percents == sorted(percents)
    assert percents[0] >= 0
    assert seen[-1] == ("Done", 100.0)
    assert sum("window" in stage for stage, _ in seen) >= 4


def test_the_same_spec_gives_the_same_bytes():
    spec = Spec(4, effort="fast", candidates=("lightgbm_global",), seed=7, windows=2)
    assert train(panels.monthly(), spec).sha256 == train(panels.monthly(), spec).sha256


def test_a_failing_candidate_is_reported_and_sinks_nothing(monkeypatch):
    class Broken(SeasonalNaive):
        name = "broken"
        label = "Broken"

        def _fit(self, panel, context):
            raise RuntimeError("out of luck")

    monkeypatch.setitem(REGISTRY, "broken", Broken())
    result = train(panels.monthly(), Spec(4, candidates=("broken",)))
    assert result.selected == "seasonal_naive"
    assert result.leaderboard[-1].name == "broken"
    assert result.leaderboard[-1].error == "RuntimeError: out of luck"


def test_a_winner_that_fails_on_all_the_data_gives_way_to_the_next(monkeypatch):
    class Late(SeasonalNaive):
        name = "late"
        label = "Late"

        def _fit(self, panel, context):
            if int(panel.lengths.max()) == 72:
                raise RuntimeError("too much data")
            return REGISTRY["auto_ets"]._fit(panel, context)

    monkeypatch.setitem(REGISTRY, "late", Late())
    result = train(panels.monthly(), Spec(4, candidates=("late",)))
    assert result.selected == "seasonal_naive"
    assert (
        next(line for line in result.leaderboard if line.name == "late").error
        == "RuntimeError: too much data"
    )


def test_a_series_too_short_is_served_by_the_naive_with_a_flag():
    panel = panels.build([*panels.seasonal(4), np.asarray([5.0, 6.0])])
    result = train(panel, Spec(6, candidates=("auto_ets",)))
    forecast = load_bundle(result.bundle).predict(None, 6, (80, 95))
    assert result.selected == "auto_ets"
    assert result.flags["series-4"] == ("not_backtested", "fallback_naive")
    assert forecast.flags[4] == ("not_backtested", "fallback_naive")
    assert forecast.mean[4].tolist() == [6.0] * 6
    assert any("seasonal naive" in note for note in result.notes)


def test_nothing_long_enough_for_a_backtest_still_gives_the_naive_uncalibrated():
    panel = panels.build([np.asarray([5.0, 6.0, 7.0])])
    result = train(panel, Spec(6, candidates=QUICK))
    forecast = load_bundle(result.bundle).predict(None, 6, (80, 95))
    assert result.selected == "seasonal_naive"
    assert result.leaderboard[0].mase is None
    assert [d["calibrated"] for d in result.intervals] == [False, False]
    assert not forecast.bands[95].calibrated
    assert any("backtest" in note for note in result.notes)


def test_one_window_is_noted():
    panel = panels.build(panels.seasonal(4, 40))
    result = train(panel, Spec(6, windows=1, candidates=QUICK))
    assert len(result.cutoffs) == 1
    assert result.coverage == {80: None, 95: None}
    assert any("one backtest window" in note for note in result.notes)


def test_the_windows_end_before_their_actuals_and_lie_apart():
    result = train(panels.monthly(24, 72), Spec(6, candidates=("seasonal_naive",), windows=3))
    assert result.cutoffs == ["2020-06-01T00:00:00", "2019-12-01T00:00:00", "2019-06-01T00:00:00"]


def test_non_negative_series_are_never_forecast_below_zero():
    falling = [np.linspace(60, 1, 60) + np.random.default_rng(s).normal(0, 0.3, 60) for s in range(4)]
    panel = panels.build([np.maximum(y, 0) for y in falling])
    spec = Spec(12, candidates=("auto_ets", "theta"))
    forecast = load_bundle(train(panel, spec).bundle).predict(None, 12, (80, 95))
    assert forecast.mean.min() >= 0
    assert forecast.bands[95].lo.min() >= 0
    free = Spec(12, candidates=("auto_ets", "theta"), non_negative=False)
    assert load_bundle(train(panel, free).bundle).predict(None, 12, (95,)).bands[95].lo.min() < 0


def test_a_gap_is_flagged_and_noted():
    days = np.arange("2024-01-01", "2024-04-30", dtype="datetime64[D]").astype("datetime64[s]")
    keep = np.ones(len(days), bool)
    keep[40:45] = False
    panel = from_columns(["a"] * keep.sum(), days[keep], np.arange(keep.sum()) % 7 + 1.0)
    result = train(panel, Spec(7, candidates=("seasonal_naive",)))
    assert result.flags["a"] == ("gap_filled",)
    assert any("a (5)" in note for note in result.notes)


def test_coverage_is_near_its_level_on_many_alike_series():
    panel = panels.monthly(40, 84)
    result = train(panel, Spec(6, candidates=("seasonal_naive",), windows=4))
    assert result.coverage[80] == pytest.approx(0.80, abs=0.07)
    assert result.coverage[95] == pytest.approx(0.95, abs=0.04)


def test_covariates_help_when_a_request_brings_them_and_not_when_unknown():
    panel = panels.retail()
    names = ("lightgbm_global",)
    known = train(panel, Spec(14, candidates=names, windows=2, future_covariates="request"))
    unknown = train(panel, Spec(14, candidates=names, windows=2))
    errors_known = next(line.mase for line in known.leaderboard if line.name == names[0])
    errors_unknown = next(line.mase for line in unknown.leaderboard if line.name == names[0])
    assert errors_known < 0.7 * errors_unknown
    assert any("carry them forward" in note for note in unknown.notes)
    assert not any("carry them forward" in note for note in known.notes)


def test_members_that_see_covariates_that_matter_are_not_held_back_by_those_that_do_not():
    spec = Spec(
        14,
        candidates=("theta", "damped", "lightgbm_global"),
        effort="fast",
        future_covariates="request",
        windows=2,
    )
    weights = {line.name: line.weight for line in train(panels.retail(), spec).leaderboard}
    assert weights["lightgbm_global"] > 0.95


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"horizon": 0}, "horizon"),
        ({"horizon": "7"}, "horizon"),
        ({"horizon": True}, "horizon"),
        ({"horizon": 3, "windows": 0}, "windows"),
        ({"horizon": 3, "seed": -1}, "seed"),
    ],
)
def test_a_setting_out_of_range_is_named(settings, field):
    with pytest.raises(errors.InvalidSpec) as caught:
        Spec(**settings)
    assert caught.value.fields["field"] == field


@pytest.mark.parametrize("levels", [(0,), (100,), (80, 80), (95.5,), ("80",), 80])
def test_a_level_out_of_range_is_refused(levels):
    with pytest.raises(errors.InvalidLevel):
        Spec(3, levels=levels)


def test_an_unknown_forecaster_is_refused_with_the_known_ones():
    with pytest.raises(errors.UnknownForecaster, match="auto_ets"):
        train(panels.monthly(), Spec(3, candidates=("oracle",)))
