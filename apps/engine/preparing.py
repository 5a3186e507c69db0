"""What is done to a panel before anything is fitted, and what is said about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from apps.engine.backtest import Window
from apps.engine.contracts import Spec
from apps.engine.panel import Panel, fill_gaps

Flags = dict[str, list[str]]


@dataclass(frozen=True)
class Prepared:
    """A panel without gaps, notes and flags (which later steps add to), and whether a backtest may see the covariates
    beyond its cutoffs."""

    panel: Panel
    notes: list[str]
    flags: Flags
    covariates_known: bool


def prepare(panel: Panel, spec: Spec) -> Prepared:
    """Fill gaps and look at the covariates; nothing is changed without a note or a flag."""
    panel, filled = fill_gaps(panel)
    flags: Flags = {s: ["gap_filled"] for s in filled}
    notes = [_filled_note(filled)] if filled else []
    for s, series_id in enumerate(panel.series_ids):
        if len(panel.series(s)) > 1 and np.ptp(panel.series(s)) == 0:
            flags.setdefault(series_id, []).append("constant")
    known = _covariates_known(panel, spec, notes)
    return Prepared(panel, notes, flags, known)


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


def _covariates_known(panel: Panel, spec: Spec, notes: list[str]) -> bool:
    """Whether a backtest may see the covariates beyond a cutoff: only when a forecast will know them too.

    When the data set ends with the target, forecasts carry covariates forward; then the backtest does so as
    well, and its errors are those that users will meet.
    """
    if not panel.known_future or spec.future_covariates == "request":
        return True
    wanted = 0.9 * len(panel) * spec.horizon
    if all(
        name in panel.future and np.isfinite(panel.future[name][:, : spec.horizon]).sum() >= wanted
        for name in panel.known_future
    ):
        return True
    notes.append(
        "The covariates are not known beyond the data, so forecasts carry them forward unless a request "
        "brings them; the backtest did the same."
    )
    return False
