"""Turns a fitted choice into a bundle's content, adds the test vectors, and packs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.engine import __version__, backtest, bundle
from apps.engine.calendar import Calendar
from apps.engine.calibration import Calibrated
from apps.engine.cold_start import Start
from apps.engine.contracts import Spec
from apps.engine.forecasters.base import Fitted
from apps.engine.panel import Floats, Panel
from apps.engine.serving.loaded import assemble
from apps.engine.serving.reconcile import Reconciler

VECTORS = 5


@dataclass(frozen=True)
class Chosen:
    """What serves: its name and label for people, the members fitted on all points, and their weights f8[S, M].

    `reconciler` makes forecasts of a hierarchy add up; `dates` says which covariates are holidays and events; `start` is what
    serves series that have just begun, its member behind the others and its weights instead of theirs.
    """

    name: str
    label: str
    members: list[Fitted]
    weights: Floats
    reconciler: Reconciler | None = None
    dates: Calendar | None = None
    start: Start | None = None

    @property
    def all_members(self) -> list[Fitted]:
        """The members, and the one for new series where there is one."""
        return [*self.members, *([self.start.fitted] if self.start else [])]


def pack_model(
    panel: Panel,
    spec: Spec,
    chosen: Chosen,
    calibrated: Calibrated,
    *,
    notes: list[str],
    flags: Mapping[str, Sequence[str]],
) -> bytes:
    """The bundle's bytes; its test vectors are the forecasts of up to five series over the whole horizon."""
    content = bundle.Content(
        {
            **_meta(panel, spec, chosen),
            **_reconcile_meta(spec, chosen.reconciler),
            **_dates_meta(chosen.dates),
            "pooling": calibrated.pool.pooling,
            "unit": list(calibrated.pool.unit),
            "intervals": calibrated.described,
            "notes": notes,
            "flags": {s: list(f) for s, f in flags.items()},
        },
        _arrays(panel, spec, chosen, calibrated),
        _texts(chosen),
    )
    loaded = assemble(content, "")
    rows = np.unique(np.linspace(0, len(panel) - 1, min(VECTORS, len(panel))).astype(np.int64))
    vectors = {
        "vectors/rows": rows,
        "vectors/mean": loaded.predict([panel.series_ids[r] for r in rows], spec.horizon).mean,
    }
    return bundle.pack(replace(content, arrays={**content.arrays, **vectors}))


def _meta(panel: Panel, spec: Spec, chosen: Chosen) -> dict[str, Any]:
    return {
        "kind": chosen.name,
        "name": chosen.name,
        "label": chosen.label,
        "horizon_max": spec.horizon,
        "frequency": panel.frequency.as_json(),
        "cutoff": str(max(panel.times(s)[-1] for s in range(len(panel)))),
        "seed": spec.seed,
        "non_negative": spec.non_negative,
        "engine_version": __version__,
        "series_ids": list(panel.series_ids),
        "levels": list(spec.levels),
        "covariates": sorted(panel.known_future),
        "upper": spec.upper,
        "integer": spec.integer,
        "members": [
            {"name": f.name, "kind": f.state.kind, "meta": dict(f.state.meta)} for f in chosen.all_members
        ],
    }


def _reconcile_meta(spec: Spec, reconciler: Reconciler | None) -> dict[str, Any]:
    if reconciler is None:
        return {}
    described = {"method": reconciler.method, "own_widths": reconciler.own_widths}
    return {"reconcile": {**described, "keys": list(spec.hierarchy)}}


def _dates_meta(dates: Calendar | None) -> dict[str, Any]:
    if dates is None or not dates.names:
        return {}
    return {"events": list(dates.names), "calendar": dict(dates.described)}


def _arrays(panel: Panel, spec: Spec, chosen: Chosen, calibrated: Calibrated) -> dict[str, NDArray[Any]]:
    tails, start = chosen.members[0].tails, chosen.start
    arrays: dict[str, NDArray[Any]] = {
        "weights": start.weights if start else chosen.weights,
        "scales": start.scales if start else backtest.scales(panel),
        "lower": start.lower if start else backtest.lower_bounds(panel, spec.non_negative),
        "pool/scores": calibrated.pool.scores,
        "pool/counts": calibrated.pool.counts,
        "errors/scaled": calibrated.paths,
        "tails/values": tails.values,
        "tails/indptr": tails.indptr,
        "tails/ds": tails.ds.astype(np.int64),
        "tails/lengths": start.lengths if start else tails.lengths,
    }
    arrays |= {f"covariates/{name}": column for name, column in tails.covariates.items()}
    arrays |= {f"future/{name}": block for name, block in tails.future.items()}
    arrays |= {f"past/{name}": column for name, column in tails.past.items()}
    if chosen.reconciler is not None:
        arrays |= {f"reconcile/{name}": array for name, array in chosen.reconciler.arrays().items()}
    for i, fitted in enumerate(chosen.all_members):
        arrays[f"members/{i}/fitted"] = fitted.state.fitted
        arrays |= {f"members/{i}/{name}": array for name, array in fitted.state.arrays.items()}
    return arrays


def _texts(chosen: Chosen) -> dict[str, str]:
    texts = {f"members/{i}/model": f.state.text for i, f in enumerate(chosen.all_members)}
    return {name: text for name, text in texts.items() if text is not None}
