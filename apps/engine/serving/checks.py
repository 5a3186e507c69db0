"""Whether a bundle's arrays fit together: shapes, finite numbers, weights; looked at once, when it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.engine import errors
from apps.engine.bundle import Content
from apps.engine.serving.reconcile import METHODS, MINT_SHRINK, WLS_STRUCT, WLS_VAR

MAX_HORIZON = 10_000  # as a training allows
MAX_LENGTH = 100_000  # of seasons and of what features look back on
MAX_DEPTH = 64  # of a hierarchy
WEIGHT_TOLERANCE = 1e-6

# What each kind of member needs: S is one entry a series, H one a step, * any number.
MEMBER_SHAPES: dict[str, dict[str, str]] = {
    "seasonal_naive": {"sigma": "S"},
    "ets": {"level": "S", "slope": "S", "phi": "S", "season": "S*", "season_kind": "S", "sigma": "SH"},
    "theta": {
        "level": "S", "mean": "S", "a": "S", "b": "S", "n": "S", "alpha": "S", "theta": "S", "season": "S*",
        "season_kind": "S", "sigma": "SH",
    },
    "paths": {"level": "S", "trend": "SH", "season": "SH", "sigma": "SH"},
    "lightgbm_global": {"residual_sd": "H"},
    "lightgbm_recursive": {"residual_sd": "H"},
    "lightgbm_tweedie": {"residual_sd": "H"},
    "linear_global": {"residual_sd": "H", "mean": "*", "inverse": "*", "slope": "*", "intercept": "*"},
}  # fmt: skip


@dataclass(frozen=True)
class _Sizes:
    series: int
    horizon: int
    points: int


def check(content: Content) -> None:
    """Raises BundleDamaged, naming what does not fit; a missing part is a KeyError."""
    meta, arrays = content.meta, content.arrays
    sizes = _Sizes(len(meta["series_ids"]), meta["horizon_max"], len(arrays["tails/values"]))
    _check_meta(meta, sizes)
    _check_tails(arrays, sizes)
    _check_weights(arrays, sizes, len(meta["members"]))
    for i, member in enumerate(meta["members"]):
        _check_member(arrays, f"members/{i}/", member["kind"], sizes)
        for name, value in member["meta"].get("features", {}).items():
            _require(not isinstance(value, int) or 0 <= value <= MAX_LENGTH, f"feature setting '{name}'")
    _shape(arrays, "pool/counts", "H", sizes)
    _shape(arrays, "pool/scores", "H*", sizes)
    _require(not np.isnan(arrays["pool/scores"]).any(), "pool/scores")
    for name in {"vectors/mean", "errors/scaled"} & set(arrays):
        _shape(arrays, name, "*H", sizes)
    if meta.get("reconcile") is not None:
        _check_reconcile(meta["reconcile"], arrays, sizes)


def _check_meta(meta: Mapping[str, Any], sizes: _Sizes) -> None:
    names = meta["series_ids"]
    _require(
        isinstance(names, list) and len(names) > 0 and len({str(name) for name in names}) == len(names),
        "series_ids",
    )
    _require(type(sizes.horizon) is int and 1 <= sizes.horizon <= MAX_HORIZON, "horizon_max")
    grid = meta["frequency"]
    seasons = [grid["season_length"], *grid.get("longer_seasons", ())]
    whole = all(type(each) is int and 1 <= each <= MAX_LENGTH for each in (*seasons, grid["multiple"]))
    _require(whole, "frequency")


def _check_tails(arrays: Mapping[str, NDArray[Any]], sizes: _Sizes) -> None:
    indptr, lengths, ds = arrays["tails/indptr"], arrays["tails/lengths"], arrays["tails/ds"]
    _shape(arrays, "tails/lengths", "S", sizes)
    _require(indptr.shape == (sizes.series + 1,) and indptr.dtype == np.int64, "tails/indptr")
    kept = np.diff(indptr)
    _require(bool(indptr[0] == 0 and indptr[-1] == sizes.points and (kept > 0).all()), "tails/indptr")
    begun = (lengths == 0) & (kept == 1)  # a series without points of its own, which only has an end
    _require(bool(((lengths >= kept) | begun).all()), "tails/lengths")
    _require(ds.shape == (sizes.points,) and ds.dtype == np.int64, "tails/ds")
    columns = [name for name in arrays if name == "tails/values" or name.startswith(("covariates/", "past/"))]
    for name in columns:
        _require(arrays[name].shape == (sizes.points,) and bool(np.isfinite(arrays[name]).all()), name)
    for name in [name for name in arrays if name.startswith("future/")]:
        _shape(arrays, name, "S*", sizes)


def _check_weights(arrays: Mapping[str, NDArray[Any]], sizes: _Sizes, members: int) -> None:
    weights = arrays["weights"]
    _require(weights.shape == (sizes.series, members), "weights")
    rows = weights.sum(axis=1)
    _require(bool((weights >= 0).all() and (np.abs(rows - 1.0) <= WEIGHT_TOLERANCE).all()), "weights")
    for i in range(members):
        fitted = arrays[f"members/{i}/fitted"]
        _require(fitted.shape == (sizes.series,) and fitted.dtype == np.bool_, f"members/{i}/fitted")
        _require(bool(fitted[weights[:, i] > 0].all()), f"members/{i}/fitted")
    _shape(arrays, "scales", "S", sizes)
    _shape(arrays, "lower", "S", sizes)
    _require(bool((arrays["scales"] > 0).all() and np.isfinite(arrays["scales"]).all()), "scales")
    _require(not np.isnan(arrays["lower"]).any(), "lower")


def _check_member(arrays: Mapping[str, NDArray[Any]], prefix: str, kind: str, sizes: _Sizes) -> None:
    for name, shape in MEMBER_SHAPES.get(kind, {}).items():
        _shape(arrays, prefix + name, shape, sizes)
    for name in {"known", "ratio"} & {name.removeprefix(prefix) for name in arrays}:
        _shape(arrays, prefix + name, "S", sizes)
    widths = (f"{prefix}sigma", f"{prefix}residual_sd")  # the first format let unknown ones pass
    for name in [name for name in arrays if name.startswith(prefix) and name not in widths]:
        _require(bool(np.isfinite(arrays[name]).all()), name)


def _check_reconcile(described: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], sizes: _Sizes) -> None:
    """A tree over the series without a circle, and the weights that its method needs."""
    method, parents = described["method"], arrays["reconcile/parents"]
    _require(method in METHODS and isinstance(described["own_widths"], bool), "reconcile")
    _shape(arrays, "reconcile/parents", "S", sizes)
    _require(parents.dtype == np.int64, "reconcile/parents")
    _require(bool(((parents >= -1) & (parents < sizes.series)).all()), "reconcile/parents")
    above = parents
    for _ in range(MAX_DEPTH):
        above = np.where(above >= 0, parents[above], -1)
    _require(not (above >= 0).any(), "reconcile/parents")
    if method in (WLS_STRUCT, WLS_VAR):
        _shape(arrays, "reconcile/variances", "S", sizes)
        variances = arrays["reconcile/variances"]
        _require(bool((np.isfinite(variances) & (variances > 0)).all()), "reconcile/variances")
    if method == MINT_SHRINK:
        matrix, bottoms = arrays["reconcile/matrix"], sizes.series - len(np.unique(parents[parents >= 0]))
        _require(
            matrix.shape == (bottoms, sizes.series) and bool(np.isfinite(matrix).all()), "reconcile/matrix"
        )


def _shape(arrays: Mapping[str, NDArray[Any]], name: str, shape: str, sizes: _Sizes) -> None:
    """The array's sides as the letters of `shape` say."""
    letters = {"S": sizes.series, "H": sizes.horizon}
    found = arrays[name].shape
    fits = len(found) == len(shape) and all(
        letters.get(letter, side) == side for letter, side in zip(shape, found, strict=True)
    )
    _require(fits and (shape != "S*" or min(found) > 0), name)


def _require(fits: bool, part: str) -> None:
    if not fits:
        raise errors.BundleDamaged(reason=f"'{part}' does not fit or is not a number")
