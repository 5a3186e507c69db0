"""A bundle as MLflow's generic Python model: what ``mlflow.pyfunc.load_model`` calls wherever this engine is installed.

Almanac itself never loads through MLflow. Needs pandas beside what the bundle's forecast needs; MLflow is not imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from apps.engine import errors
from apps.engine.serving import LoadedBundle, Prediction, load_bundle

if TYPE_CHECKING:
    import pandas as pd

SERIES: Final = "series_id"
SUFFIX: Final = ".alm"
LEVELS: Final = (80, 95)


def _load_pyfunc(path: str) -> BundleModel:
    """MLflow's entry point: the one bundle in the folder ``path``, which is named by its SHA-256.

    Raises BundleDamaged where there is not exactly one, or its bytes are others.
    """
    found = sorted(Path(path).glob(f"*{SUFFIX}"))
    if len(found) != 1:
        raise errors.BundleDamaged(reason=f"{len(found)} bundles are there, not one")
    return BundleModel(load_bundle(found[0], found[0].stem))


class BundleModel:
    """Forecasts with a bundle; a frame goes in and a frame comes out."""

    def __init__(self, bundle: LoadedBundle) -> None:
        self.bundle = bundle

    def predict(self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """A row a series and step: ``series_id``, ``ds``, ``mean``, and ``lo-80``, ``hi-80`` for each level.

        ``model_input`` has a column ``series_id``; each series once, or, to bring covariates that are known ahead, ``horizon``
        rows of it in the order of the steps, with a column for each covariate. Without rows: all series. ``params``:
        ``horizon`` (steps; the most that the model can by default) and ``levels`` (percents). Raises the engine's errors.
        """
        asked = dict(params or {})
        horizon = int(asked.get("horizon") or self.bundle.meta.horizon_max)
        levels = tuple(int(level) for level in asked.get("levels") or LEVELS)
        series = list(dict.fromkeys(str(each) for each in model_input[SERIES])) if len(model_input) else None
        found = self.bundle.predict(series, horizon, levels, _future(model_input))
        return _frame(found, horizon)


def _future(given: pd.DataFrame) -> dict[str, dict[str, list[float]]] | None:
    names = [name for name in given.columns if name != SERIES and not given[name].isna().all()]
    if not names or not len(given):
        return None
    return {
        str(series): {name: [float(value) for value in rows[name]] for name in names}
        for series, rows in given.groupby(SERIES, sort=False)
    }


def _frame(found: Prediction, horizon: int) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    columns: dict[str, Any] = {
        SERIES: np.repeat(np.asarray(found.series_ids, object), horizon),
        "ds": np.concatenate(found.ds),
        "mean": found.mean.ravel(),
    }
    for level, band in found.bands.items():
        columns[f"lo-{level}"], columns[f"hi-{level}"] = band.lo.ravel(), band.hi.ravel()
    return pd.DataFrame(columns)
