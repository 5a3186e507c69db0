"""From a panel to its forecasts in one call."""

from __future__ import annotations

from apps.engine import serving
from apps.engine.contracts import Progress, Result, Spec
from apps.engine.panel import Panel
from apps.engine.training import train


def forecast(panel: Panel, spec: Spec, progress: Progress | None = None) -> Result:
    """Forecast every series of `panel` for the spec's horizon: try what its effort says, weigh, fit, calibrate, predict.

    No series is left out and no number is missing or infinite; what was done differently for a series is in its flags.
    `Result.training` holds the leaderboard and the bundle, from which `load_bundle` forecasts again at any time.
    Raises an EngineError for a spec or panel that cannot be used.
    """
    trained = train(panel, spec) if progress is None else train(panel, spec, progress)
    found = serving.load_bundle(trained.bundle, trained.sha256).predict(None, spec.horizon, spec.levels)
    return Result(
        found.series_ids, found.ds, found.mean, found.bands, found.flags, tuple(trained.choices), trained
    )
