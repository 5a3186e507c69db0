"""What known-future covariates are taken to be over a horizon.

The rule, in this order: the request's values; what the data set knew beyond the end of the series; carried
forward: an indicator (only 0 and 1) takes its commonest recent value, any other covariate its last value, and
the forecast is flagged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from apps.engine import errors
from apps.engine.serving.state import Floats, Ints, Tails

Request = Mapping[str, Mapping[str, Sequence[float]]]


def future_values(
    tails: Tails,
    covariates: tuple[str, ...],
    rows: Ints,
    names: Sequence[str],
    *,
    horizon: int,
    request: Request | None = None,
) -> tuple[dict[str, Floats], NDArray[np.bool_]]:
    """Each covariate over the horizon, f8[R, horizon], and for which rows something was carried forward,
    bool[R].

    Raises InvalidCovariate for a name the model does not know, a wrong length, or a value that is not finite.
    """
    asked = request or {}
    _check_names(asked, covariates, names)
    values, carried = {}, np.zeros(len(rows), bool)
    for name in covariates:
        block = np.empty((len(rows), horizon))
        for i, row in enumerate(rows):
            given = asked.get(names[i], {}).get(name)
            if given is None:
                block[i] = _known(tails, name, int(row), horizon)
            else:
                block[i] = _checked(given, name, names[i], horizon)
            carried[i] |= _carry(block[i], tails.covariate(name, int(row)))
        values[name] = block
    return values, carried


def _check_names(asked: Request, covariates: tuple[str, ...], names: Sequence[str]) -> None:
    for series_id, given in asked.items():
        for name in given:
            if series_id not in names:
                raise errors.InvalidCovariate(
                    name=name, series_id=series_id, reason="the series was not asked for"
                )
            if name not in covariates:
                reason = f"the model knows {', '.join(covariates) or 'no covariates'}"
                raise errors.InvalidCovariate(name=name, series_id=series_id, reason=reason)


def _known(tails: Tails, covariate: str, row: int, horizon: int) -> Floats:
    block = np.full(horizon, np.nan)
    if covariate in tails.future:
        known = tails.future[covariate][row, :horizon]
        block[: len(known)] = known
    return block


def _checked(values: Sequence[float], name: str, series_id: str, horizon: int) -> Floats:
    block = np.asarray(values, np.float64)
    if block.shape != (horizon,):
        reason = f"it has {block.size} values, the horizon is {horizon}"
        raise errors.InvalidCovariate(name=name, series_id=series_id, reason=reason)
    if not np.isfinite(block).all():
        raise errors.InvalidCovariate(name=name, series_id=series_id, reason="a value is not a finite number")
    return block


def _carry(block: Floats, past: Floats) -> bool:
    """Fill what is missing in `block`; True when anything was."""
    missing = np.isnan(block)
    if not missing.any():
        return False
    indicator = bool(np.isin(past, (0.0, 1.0)).all())
    block[missing] = float(past.mean() > 0.5) if indicator else past[-1]
    return True
