"""New points of a hierarchy's totals, from those of its parts, for a model that adds them to what it has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from apps.engine import errors
from apps.engine.frequency import Times
from apps.engine.panel import Floats, Ints, Panel
from apps.engine.serving.loaded import LoadedBundle


@dataclass(frozen=True)
class _Total:
    """A total's new points: times, values and covariates by name."""

    ds: Times
    values: Floats
    known_future: Mapping[str, Floats]
    past: Mapping[str, Floats]
    future: Mapping[str, Floats]


def with_totals(panel: Panel, loaded: LoadedBundle) -> Panel:
    """The panel's parts and the points of the model's totals after their ends: sums where every part has a value, covariates
    as the parts' means. Totals that the panel holds itself are replaced.

    Raises MalformedPanel when the parts would not end together.
    """
    if loaded.reconciler is None:
        return panel
    structure = loaded.reconciler.structure
    bottoms = {structure.names[b] for b in structure.bottoms}
    panel = panel.take([s for s, name in enumerate(panel.series_ids) if name in bottoms])
    end = loaded.tails.ds[-1]
    if not (panel.ds > end).any():
        return panel
    _check_together(panel, loaded, len(bottoms))
    place = {name: row for row, name in enumerate(panel.series_ids)}
    indptr, columns = structure.summing()
    rows = np.asarray([place[structure.names[b]] for b in structure.bottoms])
    found = [_total(panel, rows[columns[indptr[t] : indptr[t + 1]]], end) for t in structure.totals]
    return _joined(panel, tuple(structure.names[t] for t in structure.totals), found)


def _check_together(panel: Panel, loaded: LoadedBundle, parts: int) -> None:
    unborn = [name for name in panel.series_ids if not loaded.tails.lengths[loaded.rows[name]]]
    if unborn:
        reason = (
            f"series '{unborn[0]}' had no points when the model was trained, so its totals cannot move on"
        )
        raise errors.MalformedPanel(field="series_ids", reason=f"{reason}; train again on all data")
    last = panel.ds[panel.indptr[1:] - 1]
    late = np.flatnonzero(last < last.max())
    if len(panel) < parts:
        reason = f"{parts - len(panel)} series have no new points, but forecasts of the model add up over all of them"
    elif len(late):
        reason = (
            f"series '{panel.series_ids[late[0]]}' ends before the others, but forecasts of the model add up"
        )
    else:
        return
    raise errors.MalformedPanel(field="series_ids", reason=f"{reason}; bring all up to the same time")


def _total(panel: Panel, rows: Ints, end: np.datetime64 | np.int64) -> _Total:
    index = np.concatenate([np.arange(panel.indptr[r], panel.indptr[r + 1]) for r in rows])
    index = index[panel.ds[index] > end]
    times, codes, counts = np.unique(panel.ds[index], return_inverse=True, return_counts=True)
    whole = counts == len(rows)

    def summed(column: Floats) -> Floats:
        return np.asarray(np.bincount(codes, column[index], len(times))[whole], np.float64)

    return _Total(
        times[whole],
        summed(panel.values),
        {name: summed(column) / len(rows) for name, column in panel.known_future.items()},
        {name: summed(column) / len(rows) for name, column in panel.past.items()},
        {name: block[rows].mean(axis=0) for name, block in panel.future.items()},
    )


def _joined(panel: Panel, names: tuple[str, ...], totals: list[_Total]) -> Panel:
    lengths = np.concatenate([panel.lengths, [len(total.ds) for total in totals]])

    def joined(own: Mapping[str, Floats], kind: str) -> dict[str, Floats]:
        return {
            name: np.concatenate([column, *(getattr(total, kind)[name] for total in totals)])
            for name, column in own.items()
        }

    return Panel(
        (*panel.series_ids, *names),
        np.concatenate([panel.values, *(total.values for total in totals)]),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([panel.ds, *(total.ds for total in totals)]),
        panel.frequency,
        joined(panel.known_future, "known_future"),
        future={
            name: np.concatenate([block, *(total.future[name][None, :] for total in totals)])
            for name, block in panel.future.items()
        },
        past=joined(panel.past, "past"),
    )
