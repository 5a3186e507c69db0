"""A training that is cut short goes on where it was, and what it forecast of the past is kept."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from apps import engine
from apps.engine import checkpoints, errors, training
from apps.engine.contracts import SERVED, Spec
from apps.engine.forecasters import REGISTRY
from tests.engine.panels import monthly

SPEC = Spec(horizon=6, effort="fast", candidates=("theta", "damped"), windows=2)


class Shelf:
    """A desk in memory; ``dies_after`` candidates it raises, as a worker that is killed does."""

    def __init__(self, dies_after: int = 99) -> None:
        self.kept: dict[str, bytes] = {}
        self.shown: list[list[checkpoints.Standing]] = []
        self.dies_after = dies_after

    def find(self, key: str) -> bytes | None:
        return self.kept.get(key)

    def keep(self, key: str, data: bytes) -> None:
        self.kept[key] = data
        if len(self.kept) >= self.dies_after:
            raise KeyboardInterrupt

    def show(self, standings) -> None:
        self.shown.append(list(standings))


def test_a_second_attempt_tries_only_what_the_first_left_and_makes_the_same_bundle(monkeypatch):
    panel, shelf = monthly(), Shelf(dies_after=2)
    with pytest.raises(KeyboardInterrupt):
        engine.train(panel, SPEC, desk=shelf)
    shelf.dies_after = 99
    tried = []
    real = training.backtest.run
    monkeypatch.setattr(training.backtest, "run", lambda f, *rest: tried.append(f.name) or real(f, *rest))
    result = engine.train(panel, SPEC, desk=shelf)
    assert tried == ["theta"]
    assert [each.restored for each in shelf.shown[-1]] == [True, True, False]
    monkeypatch.undo()
    assert result.sha256 == engine.train(panel, SPEC).sha256


def test_what_is_kept_serves_no_other_data_seed_effort_or_horizon():
    shelf = Shelf()
    engine.train(monthly(), SPEC, desk=shelf)
    others = [
        (monthly(seed=1), SPEC),
        (monthly(), dataclasses.replace(SPEC, seed=1)),
        (monthly(), dataclasses.replace(SPEC, effort="balanced")),
        (monthly(), dataclasses.replace(SPEC, horizon=5)),
        (monthly(), dataclasses.replace(SPEC, upper=120.0)),
    ]
    for panel, spec in others:
        before = set(shelf.kept)
        engine.train(panel, spec, desk=shelf)
        assert len(set(shelf.kept) - before) == 3, spec


@pytest.mark.parametrize("damage", [lambda d: b"", lambda d: d[:100], lambda d: b"PK" + d, lambda d: d[:-40]])
def test_a_damaged_checkpoint_is_tried_again(damage):
    shelf, panel = Shelf(), monthly()
    whole = engine.train(panel, SPEC, desk=shelf)
    shelf.kept = {key: damage(data) for key, data in shelf.kept.items()}
    assert engine.train(panel, SPEC, desk=shelf).sha256 == whole.sha256
    assert not any(each.restored for each in shelf.shown[-1])


def test_a_checkpoint_of_other_windows_is_not_taken():
    shelf = Shelf()
    engine.train(monthly(), SPEC, desk=shelf)
    (data, *_) = shelf.kept.values()
    assert checkpoints.unpack(data, [], 6) is None


def test_the_board_is_shown_whenever_a_candidate_begins_or_ends():
    shelf = Shelf()
    engine.train(monthly(), SPEC, desk=shelf)
    stages = [[each.stage for each in standings] for standings in shelf.shown]
    assert stages == [
        ["running", "waiting", "waiting"],
        ["done", "running", "waiting"],
        ["done", "done", "running"],
        ["done", "done", "done"],
    ]
    assert shelf.shown[1][0].line.mase > 0


def test_a_failed_candidate_is_shown_and_not_kept(monkeypatch):
    def fail(*_):
        raise errors.NothingFitted(forecaster="Theta", series=4, reason="no")

    monkeypatch.setattr(type(REGISTRY["theta"]), "_fit", fail)
    shelf = Shelf()
    engine.train(monthly(), SPEC, desk=shelf)
    assert len(shelf.kept) == 2
    assert [each.stage for each in shelf.shown[-1] if each.name == "theta"] == ["failed"]


def test_the_forecasts_of_the_backtest_give_the_leaderboards_errors():
    panel = monthly()
    result = engine.train(panel, SPEC)
    kept = result.backtest
    assert kept is not None
    assert len(kept.y) == 2 * len(panel) * 6
    assert set(kept.forecasts) == {SERVED, "seasonal_naive", "theta", "damped"}
    for name in ("seasonal_naive", "theta", SERVED):
        line = next(
            each for each in result.leaderboard if each.name == name or (name == SERVED and each.selected)
        )
        scaled = np.abs(kept.forecasts[name] - kept.y) / kept.scale
        by_series = [scaled[kept.series == row].mean() for row in range(len(panel))]
        assert np.mean(by_series) == pytest.approx(line.mase)
    row = 2
    mine = (kept.series == row) & (kept.window == 1)
    assert kept.ds[mine].tolist() == panel.times(row)[-6:].tolist()
    assert kept.y[mine].tolist() == panel.series(row)[-6:].tolist()
    assert set(kept.cutoff[mine].tolist()) == {panel.times(row)[-7].tolist()}


def test_costs_decide_what_is_best():
    """Where a unit too little costs nothing, the lower forecasts win, whatever their plain errors."""
    panel = monthly(count=1)
    names = ("drift", "naive", "window_average")
    lines = {}
    for costs in ((1.0, 0.0), (0.0, 1.0)):
        spec = Spec(horizon=6, candidates=names, windows=3, combine=False, costs=costs)
        result = engine.train(panel, spec)
        costs_of = {line.name: line.cost for line in result.leaderboard}
        assert costs_of[result.selected] == min(costs_of.values())
        lines[costs] = costs_of
    assert lines[1.0, 0.0] != lines[0.0, 1.0]
    assert engine.train(panel, Spec(horizon=6, candidates=names)).leaderboard[0].cost is None


@pytest.mark.parametrize("costs", [(1,), (0, 0), (-1, 2), ("1", 2), (float("inf"), 1), 3, (True, 1)])
def test_costs_that_cannot_be_meant_are_refused(costs):
    with pytest.raises(errors.InvalidSpec, match="'costs'"):
        Spec(horizon=3, costs=costs)
