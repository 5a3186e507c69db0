"""A bundle in memory: immutable, safe to share between threads, and able to forecast."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from apps.engine import bundle, errors
from apps.engine.contracts import check_levels
from apps.engine.frequency import Frequency, Times
from apps.engine.intervals import SCALE_ONLY, Pool, Unit, expected_error
from apps.engine.serving import checks, samples
from apps.engine.serving.bands import Band, make_bands
from apps.engine.serving.coherent import Rules, averaged
from apps.engine.serving.components import RECONCILIATION, Components, listed, mixed_parts, with_rest
from apps.engine.serving.covariates import Request, future_values
from apps.engine.serving.mixing import mix
from apps.engine.serving.predictors import PREDICTORS
from apps.engine.serving.reconcile import Reconciler
from apps.engine.serving.state import Floats, Ints, Points, Predictor, State, Tails

VECTOR_TOLERANCE = 1e-9
MISFITS = (KeyError, TypeError, IndexError, ValueError, AttributeError, ArithmeticError, RuntimeError)


@dataclass(frozen=True)
class Prediction:
    """Forecasts of S series for H steps.

    `ds` one array of H times a series; `mean` f8[S, H]; `bands` level -> Band, nested; `flags` one tuple a
    series.
    """

    series_ids: tuple[str, ...]
    ds: list[Times]
    mean: Floats
    bands: dict[int, Band]
    flags: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class BundleMeta:
    """What a bundle says about itself. `kind` is the selected forecaster's name, `name` the same, `label` for
    people.

    `cutoff` is the last training time of the series that ends last, ISO 8601 or a plain integer as text;
    `intervals` as in `TrainResult`; `members` the forecasters inside, the selected one first; `events` those of the
    `covariates` that are holidays or events.
    """

    kind: str
    name: str
    label: str
    horizon_max: int
    frequency: Frequency
    cutoff: str
    seed: int
    engine_version: str
    series_ids: tuple[str, ...]
    levels: tuple[int, ...]
    members: tuple[str, ...]
    covariates: tuple[str, ...]
    intervals: list[dict[str, Any]]
    notes: list[str]
    sha256: str
    upper: float = np.inf
    integer: bool = False
    events: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadedBundle:
    """A trained model ready to forecast.

    `weights` f8[S, M] mixes the members (rows sum to 1); `scales` f8[S] are the units of the conformal scores
    and `lower` f8[S] the bounds below (-inf for none); `errors` f8[U, H] are the backtest's, signed, in the pool's unit.
    With a `reconciler` some series are totals of others, and every forecast is made to add up over all of them.
    """

    meta: BundleMeta
    members: tuple[Predictor, ...]
    weights: Floats
    tails: Tails
    pool: Pool
    scales: Floats
    lower: Floats
    series_flags: tuple[tuple[str, ...], ...]
    rows: Mapping[str, int]
    errors: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    reconciler: Reconciler | None = None

    def predict(
        self,
        series_ids: Sequence[str] | None,
        horizon: int,
        levels: Sequence[int] = (),
        future: Request | None = None,
    ) -> Prediction:
        """Forecast the given series (None = all) for steps 1..horizon.

        `future` brings known-future covariates: {series_id: {name: horizon values}}; what it leaves out comes
        from the data set, and beyond that is carried forward (flag `covariate_carried_forward`).
        Raises UnknownSeries, InvalidHorizon, InvalidLevel, InvalidCovariate.
        """
        asked = check_levels(levels)
        rows, names, values, carried = self._asked(series_ids, horizon, future)
        if self.rules is None:
            points, clipped = self._points(rows, horizon, values)
            mean, bands = points.mean, self._bands(rows, points, asked)
        else:
            mean, bands, clipped = self._coherent(self.rules, rows, horizon, asked, future)
        flags = [self._flags(int(r), c, k) for r, c, k in zip(rows, carried, clipped, strict=True)]
        return Prediction(names, self._times(rows, horizon), mean, bands, tuple(flags))

    def components(
        self, series_ids: Sequence[str] | None, horizon: int, future: Request | None = None
    ) -> Components:
        """What the forecasts of `predict` are made of, mixed over the members as they are; arguments and errors as
        there.
        """
        rows, names, values, _ = self._asked(series_ids, horizon, future)
        mean = self._points(rows, horizon, values)[0].mean
        parts = with_rest(mixed_parts(self.members, self.weights, rows, horizon, values), mean)
        if self.rules is not None:
            mean = self._coherent(self.rules, rows, horizon, (), future)[0]
            parts = with_rest(parts, mean, RECONCILIATION)
        return Components(names, self._times(rows, horizon), mean, listed(parts, self.meta.events))

    def samples(
        self,
        series_ids: Sequence[str] | None,
        horizon: int,
        count: int,
        seed: int,
        future: Request | None = None,
    ) -> Floats:
        """`count` possible futures of each series, f8[S, count, H], within the bounds; `sampled_from` says what their
        errors are. The same arguments give the same paths; a shorter horizon gives their beginning. Paths of a total are the
        sums of its parts', whose errors are drawn one by one.

        Raises InvalidSampling, and what `predict` raises.
        """
        samples.check(count, seed)
        rows, _, values, _ = self._asked(series_ids, horizon, future)
        if self.rules is not None:
            return self._coherent_paths(self.rules, rows, horizon, (count, seed), future)
        raw = mix(self.members, self.weights, rows, horizon, values)
        unit = expected_error(self.pool.unit, raw.sigma, self.scales[rows])
        found = self._bounded(
            rows, samples.paths(raw, self.errors, rows=rows, unit=unit, count=count, seed=seed)
        )
        return np.rint(found) if self.meta.integer else found

    @property
    def sampled_from(self) -> Literal["backtest", "normal"]:
        """Whether `samples` draws the backtest's errors or, for want of them, the model's own normal ones."""
        return "backtest" if len(self.errors) else "normal"

    def history(self, series_id: str) -> tuple[Times, Floats]:
        """The last training points of one series, for plots: times and values; none where it had none yet."""
        row = int(self._rows([series_id])[0])
        some = slice(None if self.tails.lengths[row] else 0)
        return self.tails.times(row)[some], self.tails.series(row)[some]

    def _asked(
        self, series_ids: Sequence[str] | None, horizon: int, future: Request | None
    ) -> tuple[Ints, tuple[str, ...], dict[str, Floats], NDArray[np.bool_]]:
        """Rows, names and covariates of a request, and for which rows a covariate was carried forward."""
        rows = self._rows(series_ids)
        self._check_horizon(horizon)
        names = tuple(self.meta.series_ids[r] for r in rows)
        values, carried = future_values(
            self.tails, self.meta.covariates, rows, names, horizon=horizon, request=future
        )
        return rows, names, values, carried

    def _rows(self, series_ids: Sequence[str] | None) -> Ints:
        if series_ids is None:
            return np.arange(len(self.meta.series_ids))
        for series_id in series_ids:
            if series_id not in self.rows:
                raise errors.UnknownSeries(series_id=series_id, count=len(self.rows))
        return np.asarray([self.rows[s] for s in series_ids], np.int64)

    def _check_horizon(self, horizon: int) -> None:
        whole = isinstance(horizon, int) and not isinstance(horizon, bool)
        if not whole or not 1 <= horizon <= self.meta.horizon_max:
            raise errors.InvalidHorizon(horizon=horizon, horizon_max=self.meta.horizon_max)

    def _times(self, rows: Ints, horizon: int) -> list[Times]:
        """The grid after the end of each series; series that end together share one array."""
        ends = self.tails.ds[self.tails.indptr[rows + 1] - 1]
        grids = {end: self.tails.frequency.future(end, horizon) for end in set(ends)}
        return [grids[end] for end in ends]

    def _points(
        self, rows: Ints, horizon: int, future: Mapping[str, Floats]
    ) -> tuple[Points, NDArray[np.bool_]]:
        raw = mix(self.members, self.weights, rows, horizon, future)
        bounded = self._bounded(rows, raw.mean)
        clipped = (bounded != raw.mean).any(axis=1)
        whole = self.meta.integer and self.reconciler is None  # else they are rounded where they add up
        return Points(np.rint(bounded) if whole else bounded, raw.sigma), clipped

    @functools.cached_property
    def rules(self) -> Rules | None:
        """How forecasts are made to add up; None for a model without totals."""
        if self.reconciler is None:
            return None
        return Rules(self.reconciler, self.lower, self._upper, self.meta.integer)

    def _coherent(
        self, rules: Rules, rows: Ints, horizon: int, levels: tuple[int, ...], future: Request | None
    ) -> tuple[Floats, dict[int, Band], NDArray[np.bool_]]:
        """Means and bands of the series `rows` that add up with those of all others, and whether bounds moved them."""
        raw, every = self._whole(horizon, future), np.arange(len(self.rows))
        base = Points(self._bounded(every, raw.mean), raw.sigma)
        mean, own = rules.means(base.mean), self._own_bands(every, base, levels)
        bands = rules.bands(base.mean, mean, {level: (band.lo, band.hi) for level, band in own.items()})
        found = {level: Band(lo[rows], hi[rows], own[level].calibrated) for level, (lo, hi) in bands.items()}
        return mean[rows], found, (base.mean != raw.mean)[rows].any(axis=1)

    def _coherent_paths(
        self, rules: Rules, rows: Ints, horizon: int, drawn: tuple[int, int], future: Request | None
    ) -> Floats:
        raw, every, (count, seed) = self._whole(horizon, future), np.arange(len(self.rows)), drawn
        mean = replace(rules, integer=False).means(self._bounded(every, raw.mean))
        unit = expected_error(self.pool.unit, raw.sigma, self.scales)

        def draw(row: int) -> Floats:
            one = np.asarray([row])
            points = Points(mean[one], raw.sigma[one])
            paths = samples.paths(points, self.errors, rows=one, unit=unit[one], count=count, seed=seed)
            return np.asarray(paths[0], np.float64)

        return rules.paths(rows, draw)

    def _whole(self, horizon: int, future: Request | None) -> Points:
        """What the members say of all series; without covariates of a request it is found out once."""
        if not future:
            whole = self._known_whole
            return Points(whole.mean[:, :horizon], whole.sigma[:, :horizon])
        every, names = np.arange(len(self.rows)), self.meta.series_ids
        values, _ = future_values(
            self.tails, self.meta.covariates, every, names, horizon=horizon, request=future
        )
        if self.reconciler is not None:
            own = np.asarray([name in future for name in names])
            values = averaged(self.reconciler.structure, values, own)
        return mix(self.members, self.weights, every, horizon, values)

    @functools.cached_property
    def _known_whole(self) -> Points:
        every, names, horizon = np.arange(len(self.rows)), self.meta.series_ids, self.meta.horizon_max
        values, _ = future_values(self.tails, self.meta.covariates, every, names, horizon=horizon)
        return mix(self.members, self.weights, every, horizon, values)

    @functools.cached_property
    def _upper(self) -> Floats:
        """The bound above each series; f8[S], infinite for totals."""
        upper = np.full(len(self.rows), self.meta.upper)
        if self.reconciler is not None:
            upper[self.reconciler.structure.totals] = np.inf
        return upper

    def _bounded(self, rows: Ints, values: Floats) -> Floats:
        """Values f8[R, ...] of the series `rows`, kept within their bounds."""
        sides = (-1, *[1] * (values.ndim - 1))
        lower, upper = self.lower[rows].reshape(sides), self._upper[rows].reshape(sides)
        return np.minimum(np.maximum(values, lower), upper)

    def _flags(self, row: int, carried: bool, clipped: bool) -> tuple[str, ...]:
        extra = ("covariate_carried_forward",) * bool(carried) + ("clipped",) * bool(clipped)
        return (*self.series_flags[row], *extra)

    def _own_bands(self, rows: Ints, points: Points, levels: tuple[int, ...]) -> dict[int, Band]:
        upper = self._upper[rows][:, None]
        return make_bands(
            points, self.pool, levels, scales=self.scales[rows], lower=self.lower[rows], upper=upper
        )

    def _bands(self, rows: Ints, points: Points, levels: tuple[int, ...]) -> dict[int, Band]:
        bands = self._own_bands(rows, points, levels)
        if not self.meta.integer:
            return bands
        return {k: Band(np.floor(b.lo), np.ceil(b.hi), b.calibrated) for k, b in bands.items()}


def load_bundle(source: bytes | Path | str, sha256: str | None = None) -> LoadedBundle:
    """Read a bundle from bytes or a path, check its SHA-256 when given, and run its test vectors.

    Raises BundleDamaged when the hash, the content or a vector is wrong, BundleTooNew for a later format.
    """
    data = bundle.read_bytes(source, sha256)
    content = bundle.unpack(data)
    try:
        loaded = assemble(content, bundle.digest(data))
        wrong = _failed_vector(loaded, content)
    except errors.BundleDamaged:
        raise
    except (*MISFITS, errors.EngineError) as error:
        raise errors.BundleDamaged(reason=f"a part is missing or has the wrong shape ({error!r})") from error
    if wrong is not None:
        raise errors.BundleDamaged(reason=f"its test vector for series '{wrong}' is not reproduced")
    return loaded


def assemble(content: bundle.Content, sha256: str) -> LoadedBundle:
    """The model of a bundle's content, vectors not run; raises BundleDamaged when its parts do not fit together."""
    checks.check(content)
    meta = _meta(content.meta, sha256)
    arrays = content.arrays
    tails = _tails(content, meta.frequency)
    members = tuple(_member(content, i, name, tails) for i, name in enumerate(content.meta["members"]))
    return LoadedBundle(
        meta, members, arrays["weights"], tails,
        _pool(content),
        arrays["scales"], arrays["lower"],
        tuple(tuple(content.meta["flags"].get(s, ())) for s in meta.series_ids),
        {name: row for row, name in enumerate(meta.series_ids)},
        samples.complete(arrays.get("errors/scaled")),
        _reconciler(content),
    )  # fmt: skip


def _reconciler(content: bundle.Content) -> Reconciler | None:
    described = content.meta.get("reconcile")
    if described is None:
        return None
    prefix = "reconcile/"
    arrays = {n[len(prefix) :]: a for n, a in content.arrays.items() if n.startswith(prefix)}
    names = tuple(content.meta["series_ids"])
    return Reconciler.from_arrays(names, described["method"], arrays, own_widths=described["own_widths"])


def _meta(meta: Mapping[str, Any], sha256: str) -> BundleMeta:
    tupled = ("series_ids", "levels", "covariates")
    given = {f.name: meta[f.name] for f in fields(BundleMeta) if f.name in meta}
    given |= {name: tuple(meta[name]) for name in tupled}
    given["events"] = tuple(meta.get("events", ()))
    given["members"] = tuple(member["name"] for member in meta["members"])
    given["upper"] = np.inf if meta.get("upper") is None else float(meta["upper"])
    given["frequency"] = Frequency.from_json(meta["frequency"])
    return BundleMeta(**given, sha256=sha256)


def _pool(content: bundle.Content) -> Pool:
    unit = content.meta.get("unit")  # the first bundles kept sizes of errors in units of the scale
    arrays = content.arrays
    return Pool(
        arrays["pool/scores"], arrays["pool/counts"], content.meta["pooling"],
        unit is not None, Unit(*unit) if unit else SCALE_ONLY,
    )  # fmt: skip


def _tails(content: bundle.Content, frequency: Frequency) -> Tails:
    arrays = content.arrays
    ds = arrays["tails/ds"] if frequency.is_integer else arrays["tails/ds"].astype("datetime64[s]")
    return Tails(
        arrays["tails/values"], arrays["tails/indptr"], ds, arrays["tails/lengths"], frequency,
        {name: arrays[f"covariates/{name}"] for name in content.meta["covariates"]},
        {name: arrays[f"future/{name}"] for name in content.meta["covariates"] if f"future/{name}" in arrays},
        {name[len("past/") :]: array for name, array in arrays.items() if name.startswith("past/")},
    )  # fmt: skip


def _member(content: bundle.Content, index: int, member: Mapping[str, Any], tails: Tails) -> Predictor:
    prefix = f"members/{index}/"
    arrays = {n[len(prefix) :]: a for n, a in content.arrays.items() if n.startswith(prefix)}
    state = State(
        member["kind"], arrays.pop("fitted"), member["meta"], arrays, content.texts.get(f"{prefix}model")
    )
    return PREDICTORS[state.kind](state, tails)


def _failed_vector(loaded: LoadedBundle, content: bundle.Content) -> str | None:
    expected = content.arrays["vectors/mean"]
    rows = content.arrays["vectors/rows"]
    names = [loaded.meta.series_ids[r] for r in rows]
    found = loaded.predict(names, loaded.meta.horizon_max).mean
    size = np.maximum(np.abs(expected), 1e-12)
    close = (np.abs(found - expected) <= VECTOR_TOLERANCE * size).all(axis=1)
    return None if close.all() else names[int(np.argmin(close))]
