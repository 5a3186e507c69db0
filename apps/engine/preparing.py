"""What is done to a panel before anything is fitted, and what is said about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from apps.engine import backtest, calendar, cold_start, hierarchy
from apps.engine.backtest import Window
from apps.engine.contracts import Spec
from apps.engine.panel import Floats, Panel, fill_gaps
from apps.engine.serving.reconcile import Structure

Flags = dict[str, list[str]]


@dataclass(frozen=True)
class Prepared:
    """A panel without gaps and with its totals, notes and flags (which later steps add to).

    `hidden` names covariates that a backtest may not see beyond its cutoffs; `structure` is the tree of the series where
    totals were added; `dates` the calendar of holidays and events; `cold` says which series are forecast from others.
    """

    panel: Panel
    notes: list[str]
    flags: Flags
    hidden: tuple[str, ...] = ()
    structure: Structure | None = None
    dates: calendar.Calendar | None = None
    cold: cold_start.Cold | None = None

    def upper(self, spec: Spec) -> Floats:
        """The bound above each series, f8[S]; totals have none."""
        upper = np.full(len(self.panel), backtest.upper_bound(spec))
        if self.structure is not None:
            upper[self.structure.totals] = np.inf
        return upper


def prepare(panel: Panel, spec: Spec) -> Prepared:
    """Fill gaps, add totals, holidays and events, and look at the covariates; nothing is changed without a note or a flag.

    Raises InvalidHierarchy for attributes that form none, InvalidSpec for a country or event that cannot be used.
    """
    panel, empty = cold_start.opened(panel)
    panel, filled = fill_gaps(panel)
    notes = [_filled_note(filled)] if filled else []
    panel, late, structure = _with_totals(panel, spec, notes)
    flags: Flags = {s: ["gap_filled"] for s in (*filled, *(s for s in late if s not in filled))}
    for s, series_id in enumerate(panel.series_ids):
        if len(panel.series(s)) > 1 and np.ptp(panel.series(s)) == 0:
            flags.setdefault(series_id, []).append("constant")
    if still := sum("constant" in given for given in flags.values()):
        notes.append(
            f"{still} of {len(panel)} series never changes its value: repeating it is all there is to forecast."
        )
    hidden = _hidden(panel, spec, notes)
    dates = calendar.add(panel, spec)
    notes += dates.notes
    cold = cold_start.find(panel, empty, structure)
    if cold is not None:
        notes.append(cold_start.note(panel, cold))
        for row in cold.rows:
            flags.setdefault(panel.series_ids[row], []).append("cold_start")
    return Prepared(dates.panel, notes, flags, hidden, structure, dates, cold)


def note_windows(ready: Prepared, windows: Sequence[Window]) -> None:
    """Say which series no window tests, and where there are too few windows."""
    panel, notes = ready.panel, ready.notes
    tested = set(windows[0].rows.tolist()) if windows else set()
    untested = [s for row, s in enumerate(panel.series_ids) if row not in tested]
    for series_id in untested:
        ready.flags.setdefault(series_id, []).append("not_backtested")
    if not windows:
        notes.append("No series is long enough for a backtest at this horizon; the seasonal naive serves.")
    elif len(windows) == 1:
        notes.append("The history allows only one backtest window; two or more make the choice safer.")
    if untested and windows:
        notes.append(
            f"{len(untested)} of {len(panel)} series are too short to be backtested at this horizon."
        )


def _filled_note(filled: dict[str, int]) -> str:
    listed = ", ".join(f"{s} ({n})" for s, n in list(filled.items())[:5])
    more = f" and {len(filled) - 5} more" if len(filled) > 5 else ""
    return f"Missing times were filled with the value one season earlier for fitting: {listed}{more}."


def _with_totals(
    panel: Panel, spec: Spec, notes: list[str]
) -> tuple[Panel, dict[str, int], Structure | None]:
    """The panel with the totals of the spec's hierarchy, how many points were filled at the end of which series, and the
    tree; None where there is none."""
    if not spec.hierarchy:
        return panel, {}, None
    panel, late = hierarchy.align(panel)
    if late:
        notes.append(_late_note(late))
    whole, structure = hierarchy.expand(panel, spec.hierarchy)
    if len(whole) == len(panel):
        notes.append("The hierarchy has no totals: each of them would have a single series.")
        return panel, late, None
    notes.append(
        f"{len(whole) - len(panel)} totals were added. The bounds of a total are the sums of its parts' bounds, so they hold "
        "more than their level says."
    )
    return whole, late, structure


def _late_note(late: dict[str, int]) -> str:
    listed = ", ".join(f"{s} ({n})" for s, n in list(late.items())[:5])
    more = f" and {len(late) - 5} more" if len(late) > 5 else ""
    return f"Series that ended early were brought up to the last one's end, for totals: {listed}{more}."


def _hidden(panel: Panel, spec: Spec, notes: list[str]) -> tuple[str, ...]:
    """Covariates that a backtest may not see beyond a cutoff, because a forecast will not know them either.

    When the data set ends with the target, forecasts carry covariates forward; then the backtest does so as
    well, and its errors are those that users will meet.
    """
    if not panel.known_future or spec.future_covariates == "request":
        return ()
    wanted = 0.9 * len(panel) * spec.horizon
    if all(
        name in panel.future and np.isfinite(panel.future[name][:, : spec.horizon]).sum() >= wanted
        for name in panel.known_future
    ):
        return ()
    notes.append(
        "The covariates are not known beyond the data, so forecasts carry them forward unless a request "
        "brings them; the backtest did the same."
    )
    return tuple(panel.known_future)
