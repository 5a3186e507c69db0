"""From a loaded bundle and a query to plain values: pure."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.engine.serving import LoadedBundle, Prediction
from apps.forecasts.serving.contracts import Band, ForecastQuery, SeriesForecast


def predict(bundle: LoadedBundle, query: ForecastQuery) -> list[SeriesForecast]:
    """The forecast of each series asked for; raises the engine's errors."""
    # Series that end together share one array of times, which is written out once.
    found = bundle.predict(query.series, query.horizon, query.levels, query.future or None)
    texts = {id(ds): times(ds) for ds in {id(ds): ds for ds in found.ds}.values()}
    return [_series(found, row, texts[id(found.ds[row])]) for row in range(len(found.series_ids))]


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
    return np.datetime_as_string(texts).tolist()  # type: ignore[no-any-return] # of an array, a list of str


def _series(found: Prediction, row: int, ds: list[Any]) -> SeriesForecast:
    return SeriesForecast(
        series_id=found.series_ids[row],
        ds=ds,
        mean=found.mean[row].tolist(),
        bands=[
            Band(level=level, lo=band.lo[row].tolist(), hi=band.hi[row].tolist(), calibrated=band.calibrated)
            for level, band in found.bands.items()
        ],
        flags=list(found.flags[row]),
    )
