"""New data for a trained model without training it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.engine import __version__, bundle, calendar, errors, totals
from apps.engine.forecasters.base import tail_length
from apps.engine.frequency import Frequency, Times
from apps.engine.intervals import scales_for
from apps.engine.moving import MOVES, News, cannot, grown
from apps.engine.panel import Floats, Ints, Panel
from apps.engine.serving.loaded import LoadedBundle, assemble, load_bundle

NOTE = "Updated without training"
SAME = 1e-9
COLUMNS = {"covariates": "known_future", "past": "past"}


@dataclass(frozen=True)
class _Ahead:
    """A series of the panel beside its tail: `columns` are the tail's columns by their array names with `count` new
    points behind, `filled` of which were missing; `skipped` steps lie before them where the series had no point so far.
    """

    row: int
    columns: Mapping[str, Floats]
    ds: Times
    count: int
    filled: int
    skipped: int = 0


def update(bundle_bytes: bytes, panel: Panel) -> bytes:
    """The bundle as if trained on the new points of `panel` too, with the parameters it has.

    `panel` holds series of the model, or some of them, from anywhere in what the model has seen on; only what lies
    behind the end of each counts, and missing times there are filled as in training. Members that cannot move
    (forecasts kept as paths, states of early bundles) give their weight for these series to those that can; the notes
    say so. Series that had just begun keep the others' profile, on the level that old and new points say. Totals of a
    hierarchy take the sums of their parts' new points, for which all parts must end together. Without a new point the bytes
    are the same.
    Raises UnknownSeries, MalformedPanel (another frequency, a covariate is missing), OffGrid, ChangedHistory,
    NotUpdatable, BundleDamaged.
    """
    loaded, content = load_bundle(bundle_bytes), bundle.unpack(bundle_bytes)
    if "calendar" in content.meta:
        panel = calendar.again(panel, content.meta["calendar"], loaded.meta.horizon_max)
    _check(loaded, content, panel)
    panel = totals.with_totals(panel, loaded)
    ahead = [_ahead(loaded, content, panel, i) for i in range(len(panel))]
    moved = [one for one in ahead if one.count]
    if not moved:
        return bundle_bytes
    news = [_news(loaded, one) for one in moved]
    arrays = {name: array.copy() for name, array in content.arrays.items()}
    stuck = _move_members(content, arrays, news)
    _move_weights(loaded, arrays, news, stuck)
    _move_scales(content, arrays, news)
    _move_future(arrays, panel, loaded, ahead)
    _move_tails(arrays, loaded, moved)
    return _packed(bundle.Content(_meta(content, loaded, arrays, moved, stuck), arrays, content.texts))


def _check(loaded: LoadedBundle, content: bundle.Content, panel: Panel) -> None:
    for series_id in panel.series_ids:
        if series_id not in loaded.rows:
            raise errors.UnknownSeries(series_id=series_id, count=len(loaded.rows))
    ours, theirs = loaded.meta.frequency, panel.frequency
    if any(getattr(ours, name) != getattr(theirs, name) for name in ("unit", "multiple", "anchor", "end")):
        raise errors.MalformedPanel(
            field="frequency", reason=f"it is '{theirs.alias}', the model's is '{ours.alias}'"
        )
    for array in content.arrays:
        prefix, _, name = array.partition("/")
        if prefix in COLUMNS and name not in getattr(panel, COLUMNS[prefix]):
            raise errors.MalformedPanel(field=COLUMNS[prefix], reason=f"the model needs '{name}'")


def _ahead(loaded: LoadedBundle, content: bundle.Content, panel: Panel, i: int) -> _Ahead:
    series_id, frequency = panel.series_ids[i], loaded.meta.frequency
    row, (times, values) = loaded.rows[series_id], loaded.history(series_id)
    if not len(times):
        return _first(loaded, content, panel, i)
    late = panel.times(i) >= times[0]
    positions = _positions(frequency, series_id, times[0], panel.times(i)[late])
    length = max(len(times), int(positions.max(initial=-1)) + 1)
    _check_history(series_id, (times, values), positions, panel.series(i)[late])
    columns = {}
    for name, source in _sources(content, panel).items():
        known = content.arrays[name][slice(*loaded.tails.indptr[row : row + 2])]
        period = frequency.season_length if name == "tails/values" else 1
        columns[name] = _joined(known, positions, source[panel.slice_of(i)][late], length, period)
    count = length - len(times)
    filled = count - int((positions >= len(times)).sum())
    return _Ahead(row, columns, frequency.range(times[0], length), count, filled)


def _first(loaded: LoadedBundle, content: bundle.Content, panel: Panel, i: int) -> _Ahead:
    """The first points of a series that had none when the model was trained."""
    series_id, frequency = panel.series_ids[i], loaded.meta.frequency
    row, times = loaded.rows[series_id], panel.times(i)
    end = loaded.tails.times(row)[-1]
    if (times <= end).any():
        found = float(panel.series(i)[0])
        raise errors.ChangedHistory(series_id=series_id, ds=str(times[0]), found=found, expected="no point")
    if not len(times):
        return _Ahead(row, {}, times, 0, 0)
    positions = _positions(frequency, series_id, end, times)
    length, none = int(positions[-1] - positions[0]) + 1, np.zeros(0)
    columns = {}
    for name, source in _sources(content, panel).items():
        period = frequency.season_length if name == "tails/values" else 1
        columns[name] = _joined(none, positions - positions[0], source[panel.slice_of(i)], length, period)
    ds = frequency.range(times[0], length)
    return _Ahead(row, columns, ds, length, length - len(times), int(positions[0]) - 1)


def _sources(content: bundle.Content, panel: Panel) -> dict[str, Floats]:
    """The panel's columns by the names of the arrays that hold their tails."""
    sources = {"tails/values": panel.values}
    for array in content.arrays:
        prefix, _, name = array.partition("/")
        if prefix in COLUMNS:
            sources[array] = getattr(panel, COLUMNS[prefix])[name]
    return sources


def _positions(frequency: Frequency, series_id: str, start: Any, times: Times) -> Ints:
    """Where the times lie on the grid of the tail that starts at `start`."""
    positions = frequency.index(np.concatenate([np.asarray([start]), times]))[1:]
    if (positions < 0).any():
        ds = str(times[int(np.argmax(positions < 0))])
        raise errors.OffGrid(series_id=series_id, ds=ds, frequency=frequency.alias)
    return positions


def _check_history(series_id: str, known: tuple[Times, Floats], positions: Ints, given: Floats) -> None:
    """Raises ChangedHistory where a given value is not the one of the tail."""
    times, values = known
    seen = positions < len(values)
    expected, found = values[positions[seen]], given[seen]
    differs = np.abs(found - expected) > SAME * np.abs(expected)
    if differs.any():
        at = int(np.argmax(differs))
        raise errors.ChangedHistory(
            series_id=series_id,
            ds=str(times[positions[seen][at]]),
            found=float(found[at]),
            expected=float(expected[at]),
        )


def _joined(known: Floats, positions: Ints, given: Floats, length: int, period: int) -> Floats:
    """`known` with the new points behind it; a missing one takes the value `period` before, else the last."""
    joined = np.full(length, np.nan)
    new = positions >= len(known)
    joined[: len(known)] = known
    joined[positions[new]] = given[new]
    for at in np.flatnonzero(np.isnan(joined)):
        joined[at] = joined[at - period] if at >= period else joined[at - 1]
    return joined


def _news(loaded: LoadedBundle, one: _Ahead) -> News:
    before = int(loaded.tails.lengths[one.row])
    season = loaded.meta.frequency.season_length
    return News(one.row, one.columns["tails/values"], one.count, before, season, one.skipped)


def _move_members(
    content: bundle.Content, arrays: dict[str, NDArray[Any]], news: list[News]
) -> dict[int, str]:
    """Move the states in `arrays`; which members cannot, and why."""
    stuck = {}
    for i, member in enumerate(content.meta["members"]):
        prefix = f"members/{i}/"
        own = {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}
        reason = cannot(member["kind"], own)
        if reason is not None:
            stuck[i] = reason
            continue
        for one in news:
            if own["fitted"][one.row]:
                MOVES[member["kind"]](own, one)
    return stuck


def _move_weights(
    loaded: LoadedBundle, arrays: dict[str, NDArray[Any]], news: list[News], stuck: Mapping[int, str]
) -> None:
    rows = np.asarray([one.row for one in news])
    weights = arrays["weights"][rows]
    weights[:, list(stuck)] = 0.0
    left = weights.sum(axis=1)
    lost = [loaded.meta.series_ids[row] for row in rows[left <= 0]]
    if lost:
        names = {loaded.meta.members[i]: reason for i, reason in stuck.items()}
        reasons = "; ".join(f"{name}: {reason}" for name, reason in names.items())
        raise errors.NotUpdatable(
            count=len(lost), series_id=lost[0], series_ids=lost, members=list(names), reasons=reasons
        )
    arrays["weights"][rows] = weights / left[:, None]


def _move_scales(content: bundle.Content, arrays: dict[str, NDArray[Any]], news: list[News]) -> None:
    automatic = content.meta.get("non_negative", "auto") == "auto"
    profiles = _profiles(content, arrays)
    for one in news:
        sigma = next((sigma[one.row] for weights, sigma in profiles if weights[one.row] > 0), None)
        if sigma is None:
            arrays["scales"][one.row] = grown(float(arrays["scales"][one.row]), one, power=1)
        else:
            arrays["scales"][one.row] = scales_for(sigma[None, :])[0]
        if automatic and one.values.min() < 0:
            arrays["lower"][one.row] = -np.inf


def _profiles(content: bundle.Content, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[Floats, Floats]]:
    """Weights f8[S] and deviations f8[S, H] of the members that serve series which have just begun."""
    return [
        (arrays["weights"][:, i], arrays[f"members/{i}/sigma"])
        for i in range(len(content.meta["members"]))
        if f"members/{i}/known" in arrays
    ]


def _move_future(
    arrays: dict[str, NDArray[Any]], panel: Panel, loaded: LoadedBundle, ahead: list[_Ahead]
) -> None:
    """What is known of covariates beyond the new end: what was known before, then what the panel knows."""
    series, horizon = len(loaded.meta.series_ids), loaded.meta.horizon_max
    for name in loaded.meta.covariates:
        old = arrays.get(f"future/{name}", np.zeros((series, 0)))
        block = np.full((series, horizon), np.nan)
        block[:, : old.shape[1]] = old[:, :horizon]
        for i, one in enumerate(ahead):
            rest = np.full(horizon, np.nan)
            moved = one.skipped + one.count
            rest[: max(horizon - moved, 0)] = block[one.row, moved:]
            given = panel.future[name][i, :horizon] if name in panel.future else rest[:0]
            rest[: len(given)] = np.where(np.isnan(given), rest[: len(given)], given)
            block[one.row] = rest
        if np.isfinite(block).any():
            arrays[f"future/{name}"] = block
        else:
            arrays.pop(f"future/{name}", None)


def _move_tails(arrays: dict[str, NDArray[Any]], loaded: LoadedBundle, moved: list[_Ahead]) -> None:
    tails, by_row = loaded.tails, {one.row: one for one in moved}
    most = tail_length(tails.frequency.season_length, loaded.meta.horizon_max)
    names = list(moved[0].columns)
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in (*names, "tails/ds")}
    for row in range(len(loaded.meta.series_ids)):
        one, known = by_row.get(row), slice(*tails.indptr[row : row + 2])
        for name in names:
            parts[name].append((one.columns[name] if one else arrays[name][known])[-most:])
        parts["tails/ds"].append((one.ds if one else tails.ds[known])[-most:].astype(np.int64))
        arrays["tails/lengths"][row] += one.count if one else 0
    kept = [len(part) for part in parts["tails/ds"]]
    arrays["tails/indptr"] = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
    arrays |= {name: np.concatenate(part) for name, part in parts.items()}


def _meta(
    content: bundle.Content,
    loaded: LoadedBundle,
    arrays: Mapping[str, NDArray[Any]],
    moved: list[_Ahead],
    stuck: Mapping[int, str],
) -> dict[str, Any]:
    ends = arrays["tails/ds"][arrays["tails/indptr"][1:] - 1]
    last = ends.max() if loaded.meta.frequency.is_integer else ends.max().astype("datetime64[s]")
    notes = [note for note in content.meta["notes"] if not note.startswith(NOTE)]
    idle = "".join(f" {loaded.meta.members[i]} has no part in it: {reason}." for i, reason in stuck.items())
    return {
        **content.meta,
        "cutoff": str(last),
        "engine_version": __version__,
        "flags": _flags(
            content.meta["flags"], [loaded.meta.series_ids[one.row] for one in moved if one.filled]
        ),
        "notes": [*notes, f"{NOTE} up to {last}.{idle}"],
        "updated_from": loaded.meta.sha256,
    }


def _flags(flags: Mapping[str, list[str]], filled: list[str]) -> dict[str, list[str]]:
    """The flags of each series, and that the series in `filled` had missing times."""
    filled = [name for name in filled if "gap_filled" not in flags.get(name, [])]
    return {**flags, **{name: [*flags.get(name, []), "gap_filled"] for name in filled}}


def _packed(content: bundle.Content) -> bytes:
    """The bytes, with what the moved model forecasts as test vectors."""
    loaded = assemble(content, "")
    names = [loaded.meta.series_ids[row] for row in content.arrays["vectors/rows"]]
    mean = loaded.predict(names, loaded.meta.horizon_max).mean
    return bundle.pack(replace(content, arrays={**content.arrays, "vectors/mean": mean}))
