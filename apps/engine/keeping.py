"""The forecasts of the backtest as one long table, to be looked at by series, step, window and segment afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from apps.engine.backtest import Window
from apps.engine.contracts import SERVED, Backtest
from apps.engine.panel import Floats, Panel


def table(
    panel: Panel,
    windows: Sequence[Window],
    forecasts: Mapping[str, Sequence[Floats]],
    served: Sequence[Floats],
    *,
    totals: Sequence[int] = (),
    inside: Mapping[int, Sequence[Floats]] | None = None,
) -> Backtest | None:
    """All that the candidates (`forecasts`: f8[R, H] a window, newest first) and what serves (`served`) forecast; `totals`
    are rows that sum up others; `inside` says for each level what its band held. None without a window."""
    if not windows or len(served) != len(windows):
        return None
    horizon = windows[0].actual.shape[1]
    places = [_place(panel, window, horizon) for window in windows]
    ds, cutoffs = (np.concatenate([place[i] for place in places]) for i in (0, 1))
    series = np.concatenate([np.repeat(window.rows, horizon) for window in windows])
    counts = [len(window.rows) for window in windows]
    return Backtest(
        series_ids=panel.series_ids,
        static={name: list(values) for name, values in panel.static.items()},
        is_total=np.isin(np.arange(len(panel)), totals),
        series=series,
        window=np.repeat(np.arange(1, len(windows) + 1), [count * horizon for count in counts]),
        step=np.tile(np.arange(1, horizon + 1), sum(counts)),
        ds=ds,
        cutoff=cutoffs,
        y=np.concatenate([window.actual.ravel() for window in windows]),
        scale=np.concatenate([np.repeat(window.scales, horizon) for window in windows]),
        forecasts={
            SERVED: np.concatenate([each.ravel() for each in served]),
            **{name: np.concatenate([each.ravel() for each in every]) for name, every in forecasts.items()},
        },
        inside={
            level: np.concatenate([each.ravel() for each in held]) for level, held in (inside or {}).items()
        },
    )


def _place(panel: Panel, window: Window, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """The times that a window forecasts and the last one it saw, series after series; [R x H] each."""
    ends = panel.indptr[window.rows] + window.panel.lengths
    at = ends[:, None] + np.arange(horizon)
    return panel.ds[at].ravel(), np.repeat(panel.ds[ends - 1], horizon)
