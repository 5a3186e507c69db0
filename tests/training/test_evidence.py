"""What the publish gate goes by, held against numbers that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apps import engine
from apps.engine.contracts import SERVED, Backtest, Spec
from apps.registry import gate
from apps.training import evidence
from tests import trained
from tests.engine.panels import build, seasonal


def kept(served: np.ndarray, naive: np.ndarray, inside: np.ndarray | None = None) -> Backtest:
    """A backtest with these errors, f8[S, K, H]; the actuals are 0."""
    series, windows, horizon = served.shape
    count = served.size
    return Backtest(
        series_ids=tuple(f"s{row}" for row in range(series)),
        static={},
        is_total=np.zeros(series, bool),
        series=np.repeat(np.arange(series), windows * horizon),
        window=np.tile(np.repeat(np.arange(1, windows + 1), horizon), series),
        step=np.tile(np.arange(1, horizon + 1), series * windows),
        ds=np.zeros(count),
        cutoff=np.zeros(count),
        y=np.zeros(count),
        scale=np.full(count, 2.0),
        forecasts={SERVED: served.ravel(), "seasonal_naive": naive.ravel()},
        inside={} if inside is None else {80: inside.ravel()},
    )


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.abs(np.random.default_rng(seed).normal(size=shape)) + 0.1


def test_skill_is_one_minus_the_ratio_of_mean_scaled_errors() -> None:
    found = evidence.skill(kept(np.full((3, 2, 4), 3.0), np.full((3, 2, 4), -4.0)))
    assert (found.units, found.windows, found.error, found.naive_error) == (6, 2, 1.5, 2.0)
    assert (found.skill, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25))


def test_a_series_and_window_without_a_forecast_is_left_out() -> None:
    served = np.full((2, 2, 3), 1.0)
    served[0, 1, 2] = np.nan
    assert evidence.skill(kept(served, np.full((2, 2, 3), 2.0))).units == 3


def test_the_interval_holds_the_truth_and_is_the_same_each_time() -> None:
    naive = noise(40, 6, 5)
    held = sum(
        (found := evidence.skill(kept(0.9 * noise(40, 6, 5, seed=seed), naive))).low < 0.1 < found.high  # type: ignore[operator]
        for seed in range(1, 41)
    )
    assert held >= 34, "a 90 % interval; the bootstrap errs on the wide side"
    again = kept(0.9 * noise(40, 6, 5, seed=1), naive)
    assert evidence.skill(again) == evidence.skill(again)


def test_shocks_that_a_window_shares_make_the_interval_wide() -> None:
    shock = noise(1, 6, 1, seed=3) * np.ones((40, 6, 5))
    alone = evidence.skill(kept(0.9 * noise(40, 6, 5, seed=1), noise(40, 6, 5, seed=2)))
    shared = evidence.skill(kept(shock, noise(40, 6, 5, seed=2)))
    assert shared.high - shared.low > 3 * (alone.high - alone.low)  # type: ignore[operator]


def test_one_forecast_tells_no_chance_from_skill() -> None:
    found = evidence.skill(kept(np.full((1, 1, 6), 1.0), np.full((1, 1, 6), 2.0)))
    assert (found.skill, found.low) == (0.5, None)


def test_a_naive_without_errors_cannot_be_beaten() -> None:
    found = evidence.skill(kept(np.full((2, 2, 3), 1.0), np.zeros((2, 2, 3))))
    assert found.skill is None
    assert gate.decide(gate.Evidence(found, (), gate.Sanity(2))).outcome == "refused"


def test_errors_count_by_what_they_cost_where_that_is_known() -> None:
    cheap, dear = np.full((2, 2, 3), 2.0), np.full((2, 2, 3), -1.0)  # too much, too little
    assert evidence.skill(kept(cheap, dear)).skill == pytest.approx(-1.0)
    found = evidence.skill(kept(cheap, dear), costs=(1.0, 4.0))
    assert (found.skill, found.measure) == (pytest.approx(0.5), "cost")


def test_coverage_is_the_engines_own_with_an_interval_around_it() -> None:
    made = engine.train(build(seasonal(6, 96)), Spec(horizon=4, candidates=("auto_ets",), windows=5))
    bands = {band.level: band for band in evidence._coverage(made)}
    for level, share in made.coverage.items():
        band = bands[level]
        assert band.share == share
        assert band.low <= share <= band.high  # type: ignore[operator]


@pytest.mark.parametrize(
    ("factor", "outcome"),
    [(1.0, ()), (1e6, ("series-1",)), (np.nan, ("series-1",))],
    ids=["sane", "far", "no number"],
)
def test_an_answer_is_held_against_the_history(factor: float, outcome: tuple[str, ...]) -> None:
    panel = build(seasonal(trained.SERIES, trained.MONTHS))
    bundle = engine.load_bundle(trained.naive().bundle)

    class Wild:
        meta = bundle.meta

        def predict(self, *asked: object) -> object:
            said = bundle.predict(*asked)  # type: ignore[arg-type]
            rows = np.asarray([[1.0], [factor], [1.0]])
            bands = {
                level: band._replace(lo=band.lo * rows, hi=band.hi * rows)
                for level, band in said.bands.items()
            }
            return replace(said, mean=said.mean * rows, bands=bands)

    found = evidence.sanity(panel, Wild())  # type: ignore[arg-type]
    assert (found.not_finite or found.beyond, found.crossed) == (outcome, ())


def test_a_series_of_zeros_may_be_forecast_within_what_others_reach() -> None:
    panel = build([np.zeros(72), *seasonal(2, 72)])
    made = engine.train(panel, Spec(horizon=6, candidates=("seasonal_naive",), windows=2))
    assert evidence.sanity(panel, engine.load_bundle(made.bundle)).beyond == ()
