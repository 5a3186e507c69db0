"""The data of the chart 'forecast': history, mean and bands, as ``static/js/charts.js`` states it."""

from __future__ import annotations

from typing import Any

from apps.core import scope
from apps.engine.serving import LoadedBundle
from apps.forecasts import runtime
from apps.forecasts.services import predict_again
from apps.forecasts.serving import predictor
from apps.forecasts.serving.contracts import ForecastQuery, SeriesForecast
from apps.registry.models import ModelVersion

# More series than a person looks through; the page says that it shows the first.
MOST_SERIES = 50


def of_version(version: ModelVersion) -> dict[str, Any]:
    """What the model forecasts for its own series over its whole horizon; shown, not billed."""
    bundle = runtime.bundle_of(key=scope.current_tenant(), version=version)
    query = ForecastQuery(
        horizon=version.horizon_max, levels=tuple(version.levels), series=bundle.meta.series_ids[:MOST_SERIES]
    )
    return _chart(version, bundle, predict_again(version, query))


def of_series(version: ModelVersion, series: list[SeriesForecast]) -> dict[str, Any]:
    """The chart of a forecast that was made."""
    return _chart(
        version, runtime.bundle_of(key=scope.current_tenant(), version=version), series[:MOST_SERIES]
    )


def series_ids(version: ModelVersion) -> tuple[str, ...]:
    """The series that the model knows."""
    return runtime.bundle_of(key=scope.current_tenant(), version=version).meta.series_ids


def intervals(version: ModelVersion) -> list[dict[str, Any]]:
    """For each level whether its band is calibrated."""
    bundle = runtime.bundle_of(key=scope.current_tenant(), version=version)
    return [{"level": each["level"], "calibrated": each["calibrated"]} for each in bundle.meta.intervals]


def _chart(version: ModelVersion, bundle: LoadedBundle, series: list[SeriesForecast]) -> dict[str, Any]:
    return {"frequency": version.frequency, "series": [_series(bundle, each) for each in series]}


def _series(bundle: LoadedBundle, each: SeriesForecast) -> dict[str, Any]:
    bands = [
        {"level": band.level, "lo": band.lo, "hi": band.hi, "calibrated": band.calibrated}
        for band in each.bands
    ]
    return {
        "id": each.series_id,
        "history": predictor.history(bundle, each.series_id),
        "forecast": {"ds": each.ds, "mean": each.mean, "bands": bands},
    }
