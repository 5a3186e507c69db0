"""From a loaded bundle and a query to plain values: pure."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.engine.serving import LoadedBundle, Prediction
from apps.forecasts.serving.contracts import Band, ForecastQuery, SeriesForecast


def predict(bundle: LoadedBundle, query: ForecastQuery) -> list[SeriesForecast]:
    """The forecast of each series asked for; raises the engine's errors."""
    found = bundle.predict(query.series, query.horizon, query.levels, query.future or None)
    return [_series(found, row) for row in range(len(found.series_ids))]


def history(bundle: LoadedBundle, series_id: str) -> dict[str, list[Any]]:
    """The end of a series as the bundle keeps it: ``{"ds": […], "y": […]}``."""
    ds, values = bundle.history(series_id)
    return {"ds": times(ds), "y": values.tolist()}


def times(values: Any) -> list[Any]:
    """Times as a customer reads them: a date where the time of day is midnight throughout, else date and time; integers as they are."""
    if not np.issubdtype(values.dtype, np.datetime64):
        return [int(value) for value in values]
    days = values.astype("datetime64[D]")
    texts = days if bool((days == values).all()) else values.astype("datetime64[s]")
    return [str(value) for value in np.datetime_as_string(texts)]


def _series(found: Prediction, row: int) -> SeriesForecast:
    return SeriesForecast(
        series_id=found.series_ids[row],
        ds=times(found.ds[row]),
        mean=found.mean[row].tolist(),
        bands=[
            Band(level=level, lo=band.lo[row].tolist(), hi=band.hi[row].tolist(), calibrated=band.calibrated)
            for level, band in found.bands.items()
        ],
        flags=list(found.flags[row]),
    )
