"""AutoETS: exponential smoothing per series, form chosen by AICc, estimated by statsforecast.

The form is searched step by step (season, then trend, then error: six to eight of the fifteen admissible forms) at a
panel's earliest cutoff; later cutoffs of the same backtest re-estimate the found form until the series has grown by a
quarter, when it is searched anew. A series is read from its last POINTS_KEPT points or ten seasons, which is where its
smoothed state comes from. Seasons longer than LONGEST_SEASON are taken out beforehand by classical decomposition,
because a state for each of their positions cannot be estimated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from apps.engine.forecasters.base import plausible
from apps.engine.forecasters.local import Grid, LocalForecaster, One, Unfit, choice, hint_of
from apps.engine.intervals import normal_width
from apps.engine.metrics import naive_scale
from apps.engine.panel import Floats
from apps.engine.seasonality import Adjusted, adjust, found_season
from apps.engine.serving.predictors import ADDITIVE, MULTIPLICATIVE, NONE, combine, cycle, damping

LONGEST_SEASON = 13
POINTS_KEPT = 150
SIGMA_LEVEL = 68


@dataclass(frozen=True)
class Smoothed:
    """One series' end state: what the predictor needs, plus the form ("MAdM"), its own sigma f8[H], and the smoothing
    parameters with which new points move the state.
    """

    form: str
    level: float
    slope: float
    phi: float
    season: Floats
    season_kind: int
    sigma: Floats
    alpha: float = 0.5
    beta: float = 0.0
    gamma: float = 0.0


class AutoETS(LocalForecaster):
    """Exponential smoothing, form chosen per series."""

    name = "auto_ets"
    label = "AutoETS"
    kind = "ets"
    min_points = 8

    def prepare(self) -> None:
        """See `LocalForecaster`."""
        import statsforecast.ets  # noqa: F401 - it takes seconds

    def constant(self, y: Floats, grid: Grid) -> One:
        """See `LocalForecaster`."""
        flat = Smoothed("ANN", float(y[-1]), 0.0, 1.0, np.zeros(1), NONE, np.zeros(grid.horizon))
        return _one(flat, len(y))

    def estimate(self, y: Floats, grid: Grid, hint: str) -> One:
        """See `LocalForecaster`."""
        form, searched_at = choice(hint, len(y))
        return _one(smooth(y, grid.season, grid.horizon, form), searched_at)


def smooth(y: Floats, season: int, horizon: int, form: str | None = None) -> Smoothed:
    """Estimate `form`, or choose one, for one series; raises Unfit when nothing converges."""
    y = y[-max(POINTS_KEPT, 10 * season) :]
    adjusted = adjust(y, season) if season > LONGEST_SEASON else Adjusted(y, np.zeros(1), NONE)
    m = 1 if season > LONGEST_SEASON else found_season(y, season)
    found, model = _search(adjusted.values, m, form)
    smoothed = _end_state(found, model, adjusted, _sigma(model, horizon, naive_scale(y, season)))
    if not plausible(_forecast(smoothed, horizon), y):
        raise Unfit("its forecasts leave the range of the data")
    return smoothed


def _one(smoothed: Smoothed, searched_at: int) -> One:
    names = ("level", "slope", "phi", "season", "sigma", "alpha", "beta", "gamma")
    arrays = {name: getattr(smoothed, name) for name in names}
    return One({**arrays, "season_kind": np.int8(smoothed.season_kind)}, hint_of(smoothed.form, searched_at))


def _search(y: Floats, m: int, hint: str | None) -> tuple[str, dict[str, Any]]:
    tried: dict[str, dict[str, Any] | None] = {}

    def best(forms: list[str]) -> str | None:
        for form in forms:
            if form not in tried:
                tried[form] = _estimate(y, m, form)
        usable = [f for f in forms if tried[f] is not None]
        return min(usable, key=lambda f: float(_model(tried, f)["aicc"])) if usable else None

    fits = hint is not None and (m > 1 or hint.endswith("N"))
    if hint is not None and fits and best([hint]) is not None:
        return hint, _model(tried, hint)
    positive = bool(y.min() > 0)
    form = best(["ANN", *(["ANA"] if m > 1 else []), *(["MNM"] if m > 1 and positive else [])])
    if form is None:
        raise Unfit("no form of exponential smoothing could be estimated")
    error, season = form[0], form[-1]
    form = best([form, f"{error}A{season}", f"{error}Ad{season}"]) or form
    if positive and season != "M":
        form = best([form, f"M{form[1:]}"]) or form
    return form, _model(tried, form)


def _model(tried: dict[str, dict[str, Any] | None], form: str) -> dict[str, Any]:
    model = tried[form]
    assert model is not None
    return model


def _estimate(y: Floats, m: int, form: str) -> dict[str, Any] | None:
    """statsforecast's model of one form such as "AAdN"; None when it cannot be estimated."""
    from statsforecast.ets import ets_f, forecast_ets

    try:
        model: dict[str, Any] = ets_f(  # type: ignore[no-untyped-call]
            y, m=m, model=form[0] + form[1] + form[-1], damped="d" in form
        )
    except Exception:  # noqa: BLE001 - it raises bare Exceptions for tiny data and parameters out of range
        return None
    states = np.asarray(model["states"])
    usable = states.ndim == 2 and np.isfinite(states[-1]).all() and np.isfinite(model["aicc"])
    if not usable:
        return None
    ahead: dict[str, Any] = forecast_ets(model, 2 * m)  # type: ignore[no-untyped-call]
    return model if plausible(ahead["mean"], y) else None


def _end_state(form: str, model: dict[str, Any], adjusted: Adjusted, sigma: Floats) -> Smoothed:
    last = np.asarray(model["states"][-1], np.float64)
    trend, damped = form[1] == "A", "d" in form
    season, kind = adjusted.ahead, adjusted.kind
    if form[-1] != "N":
        season, kind = last[1 + trend :][::-1].copy(), ADDITIVE if form[-1] == "A" else MULTIPLICATIVE
    if adjusted.kind == MULTIPLICATIVE:
        sigma = sigma * cycle(adjusted.ahead[None, :], len(sigma))[0]
    slope, phi = float(last[1]) if trend else 0.0, float(model["par"][3]) if damped else 1.0
    smoothing = np.nan_to_num(np.asarray(model["par"][:3], np.float64)).tolist()
    return Smoothed(form, float(last[0]), slope, phi, season, kind, sigma, *smoothing)


def _forecast(one: Smoothed, horizon: int) -> Floats:
    base = one.level + one.slope * damping(np.asarray([one.phi]), horizon)
    mean = combine(base, cycle(one.season[None, :], horizon), np.asarray([one.season_kind]))[0]
    return np.asarray(mean, np.float64)


def _sigma(model: dict[str, Any], horizon: int, scale: float) -> Floats:
    """The model's own standard deviations; a random walk's where its formula gives none."""
    from statsforecast.ets import forecast_ets

    band: dict[str, Any] = forecast_ets(model, horizon, level=[SIGMA_LEVEL])  # type: ignore[no-untyped-call]
    sigma = (band[f"hi-{SIGMA_LEVEL}"] - band[f"lo-{SIGMA_LEVEL}"]) / (2 * normal_width(SIGMA_LEVEL))
    walk = scale * np.sqrt(np.arange(1, horizon + 1))
    return np.asarray(np.where(np.isfinite(sigma), sigma, walk), np.float64)
