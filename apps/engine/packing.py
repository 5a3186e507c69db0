"""Turns a fitted choice into a bundle's content, adds the test vectors, and packs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.engine import __version__, backtest, bundle
from apps.engine.contracts import Spec
from apps.engine.forecasters.base import Fitted
from apps.engine.intervals import Pool
from apps.engine.panel import Floats, Panel
from apps.engine.serving.loaded import assemble

VECTORS = 5
MOST_ERRORS = 2000


@dataclass(frozen=True)
class Chosen:
    """The selected forecaster fitted on all points, and the seasonal naive where it needs a stand-in.

    `served` bool[S] says which series the selected one serves; None means all.
    """

    name: str
    label: str
    fitted: Fitted
    stand_in: Fitted | None
    served: NDArray[np.bool_] | None = None

    @property
    def members(self) -> list[Fitted]:
        """The selected one first."""
        return [self.fitted] if self.stand_in is None else [self.fitted, self.stand_in]


def pack_model(
    panel: Panel,
    spec: Spec,
    chosen: Chosen,
    pool: Pool,
    *,
    intervals: list[dict[str, Any]],
    notes: list[str],
    flags: Mapping[str, Sequence[str]],
    scaled_errors: Floats | None = None,
) -> bytes:
    """The bundle's bytes; its test vectors are the forecasts of up to five series over the whole horizon.

    `scaled_errors` f8[U, H] are the backtest's signed errors in units of the series' scales, a row for each series and
    window; at most MOST_ERRORS of them are kept, for sample paths.
    """
    content = bundle.Content(
        {
            **_meta(panel, spec, chosen),
            "pooling": pool.pooling,
            "intervals": intervals,
            "notes": notes,
            "flags": {s: list(f) for s, f in flags.items()},
        },
        {**_arrays(panel, spec, chosen, pool), **_errors(scaled_errors)},
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
        "members": [
            {"name": f.name, "kind": f.state.kind, "meta": dict(f.state.meta)} for f in chosen.members
        ],
    }


def _arrays(panel: Panel, spec: Spec, chosen: Chosen, pool: Pool) -> dict[str, NDArray[Any]]:
    tails = chosen.fitted.tails
    weights = np.zeros((len(panel), len(chosen.members)))
    weights[:, 0] = 1.0 if chosen.served is None else chosen.served
    if chosen.served is not None:
        weights[:, 1] = ~chosen.served
    arrays: dict[str, NDArray[Any]] = {
        "weights": weights,
        "scales": backtest.scales(panel),
        "lower": backtest.lower_bounds(panel, spec.non_negative),
        "pool/scores": pool.scores,
        "pool/counts": pool.counts,
        "tails/values": tails.values,
        "tails/indptr": tails.indptr,
        "tails/ds": tails.ds.astype(np.int64),
        "tails/lengths": tails.lengths,
    }
    arrays |= {f"covariates/{name}": column for name, column in tails.covariates.items()}
    arrays |= {f"future/{name}": block for name, block in tails.future.items()}
    for i, fitted in enumerate(chosen.members):
        arrays[f"members/{i}/fitted"] = fitted.state.fitted
        arrays |= {f"members/{i}/{name}": array for name, array in fitted.state.arrays.items()}
    return arrays


def _errors(scaled: Floats | None) -> dict[str, NDArray[Any]]:
    """Rows that are complete, evenly thinned out where there are too many."""
    if scaled is None:
        return {}
    rows = scaled[np.isfinite(scaled).all(axis=1)]
    kept = np.unique(np.linspace(0, max(len(rows) - 1, 0), min(MOST_ERRORS, len(rows))).astype(np.int64))
    return {"errors/scaled": rows[kept]}


def _texts(chosen: Chosen) -> dict[str, str]:
    return {
        f"members/{i}/model": f.state.text for i, f in enumerate(chosen.members) if f.state.text is not None
    }
