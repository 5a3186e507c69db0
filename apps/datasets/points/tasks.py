"""What the sandbox's child does with stored points: see ``apps.datasets.sandbox.tasks``. Requests and answers are JSON.

All take ``entries`` (``Entry.to_json``). Times of the data are ISO text or integers; ``known_at`` and ``as_of`` are moments
with an offset (UTC without one); ``zone`` is where the data set's clock hangs (UTC when left out).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, time
from pathlib import Path
from typing import Any

import polars as pl

from apps.datasets.points import changes, parts, rows, state
from apps.datasets.points.manifest import Entry
from apps.datasets.points.parts import Window

Clean = Callable[[pl.DataFrame], pl.DataFrame]
MAX_LISTED = 1000
MAX_POINTS = 100_000


def append(request: dict[str, Any]) -> dict[str, Any]:
    """``{"entries", "rows" or "rows_path", "known_at", "columns", "target"}``: the part is written to ``target`` and its
    ``entry`` told (None: nothing new), beside ``added``, ``changed``, ``unchanged``, … With ``problems`` nothing is written.

    ``columns`` are those that rows may give: y and the covariates. May be left out: ``kind`` of ds (``time`` or ``integer``;
    else that of the entries), ``zone`` (offsets are turned into its clock), ``pointer`` (what stands before the
    rows' pointers), ``max_rows``.
    """
    entries = _entries(request)
    sent = _sent(request, entries)
    if sent.table is None:
        return _refused(sent.problems, sent.count)
    try:
        done = changes.upsert(
            entries, sent.table, known_at=rows.utc(request["known_at"]), columns=sent.columns
        )
    except changes.Unfit as unfit:
        return _refused([rows.RowProblem(request.get("pointer", ""), None, unfit.code, unfit.message)], 1)
    entry = Entry(request["target"], done.columns, done.known_at)
    return _written(done, entry) | {"problems": [], "problem_count": 0}


def delete(request: dict[str, Any]) -> dict[str, Any]:
    """``{"entries", "series" (None: all), "start", "end", "known_at", "target", "zone"}``: how many rows and series are
    gone, both ends included; ``entry`` as in ``append``, and ``problems`` where a bound is no time."""
    entries = _entries(request)
    times = _times(request, entries)
    bounds: dict[str, Any] = {}
    for name in ("start", "end"):
        try:
            bounds[name] = None if request.get(name) is None else times.read(request[name])
        except rows.Wrong as wrong:
            return _refused([rows.RowProblem(f"/{name}", None, wrong.code, wrong.detail)], 1)
    known_at = rows.utc(request["known_at"])
    done = changes.delete(entries, series=request.get("series"), known_at=known_at, **bounds)
    entry = Entry(request["target"], (), done.known_at)
    return _written(done, entry) | {"problems": [], "problem_count": 0}


def compact(request: dict[str, Any]) -> dict[str, Any]:
    """``{"entries", "target"}``: one part with everything is written; its ``entry`` and number of ``rows``."""
    entries = _entries(request)
    part = changes.compact(entries)
    parts.write(part, Path(request["target"]))
    return {"entry": Entry(request["target"], parts.columns_of(entries)).to_json(), "rows": part.height}


def diff(request: dict[str, Any]) -> dict[str, Any]:
    """``{"before", "after"}`` (entries): the rows added, changed and removed, in all and by series, and examples."""
    before, after = ([Entry.from_json(each) for each in request[side]] for side in ("before", "after"))
    found = asdict(changes.diff(before, after))
    examples = [_jsonable(each | {"ds": spoken(each["ds"])}) for each in found["examples"]]
    return {**found, "series": list(found["series"]), "examples": examples}


def summary(request: dict[str, Any]) -> dict[str, Any]:
    """``{"entries"}``: ``rows``, ``series_count``, ``first_ds``, ``last_ds``."""
    return _spoken_bounds(asdict(changes.summary(_entries(request))))


def series(request: dict[str, Any]) -> dict[str, Any]:
    """``{"entries", "series", "limit"}``: of each named series its number of ``points`` and the last ``limit`` of them
    (the first with ``"first": true``), as columns; ``missing`` are those that there are not.

    May be left out: ``start``, ``end``, ``as_of``, ``covariates``, ``past``, ``zone``.
    """
    entries, names = _entries(request), list(request["series"])
    times = _times(request, entries)
    start, end = (None if request.get(at) is None else times.read(request[at]) for at in ("start", "end"))
    frames = _frames(entries, request, Window(names, start, end))
    limit = min(int(request.get("limit", MAX_POINTS)), MAX_POINTS)
    found = {name[0]: table for frame in frames for name, table in frame.group_by("unique_id")}
    told = [
        _told(name, found[name], limit, first=bool(request.get("first"))) for name in names if name in found
    ]
    return {"series": told, "missing": [name for name in names if name not in found]}


def list_series(request: dict[str, Any]) -> dict[str, Any]:
    """``{"entries", "query", "offset", "limit"}``: the series whose name holds the query in any case, in order, each with
    ``rows``, ``first_ds`` and ``last_ds``; ``total`` counts all that match."""
    named = (
        pl.col("unique_id")
        .str.to_lowercase()
        .str.contains(str(request.get("query") or "").lower(), literal=True)
    )
    found = (
        state.lazy(_entries(request), columns=())
        .filter(named)
        .group_by("unique_id")
        .agg(rows=pl.len(), first_ds=pl.col("ds").min(), last_ds=pl.col("ds").max())
        .sort("unique_id")
        .collect(engine="streaming")
    )
    page = found.slice(int(request.get("offset", 0)), min(int(request.get("limit", 50)), MAX_LISTED))
    return {"series": [_spoken_bounds(row) for row in page.iter_rows(named=True)], "total": found.height}


def export(request: dict[str, Any]) -> dict[str, Any]:
    """``{"entries", "format", "target"}``: the long table as a file; the ``rows`` written, or the ``problem`` that it
    cannot be. May be left out: ``as_of``, ``series``, ``covariates``, ``past``, ``zone``, ``layout``, ``gzipped``."""
    return export_with(request, lambda table: table)


def export_with(request: dict[str, Any], clean: Clean) -> dict[str, Any]:
    """As ``export``, with each stretch of whole series changed by ``clean`` on its way out."""
    from apps.datasets import writing

    frames = (clean(frame) for frame in _frames(_entries(request), request, Window(request.get("series"))))
    try:
        written = writing.write(
            frames,
            Path(request["target"]),
            request["format"],
            layout=request.get("layout") or "long",
            gzipped=bool(request.get("gzipped")),
        )
    except writing.Unwritable as wrong:
        return {"rows": 0, "problem": {"code": wrong.code, "message": wrong.message, "fix": wrong.fix}}
    return {"rows": written, "problem": None}


def spoken(value: datetime | int | None) -> str | int | None:
    """A time as ISO text: only the date at midnight; whole numbers as they are."""
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    return value


def _entries(request: dict[str, Any]) -> list[Entry]:
    return [Entry.from_json(each) for each in request["entries"]]


def _times(request: dict[str, Any], entries: Sequence[Entry]) -> rows.Times:
    stated = request.get("kind")
    integer = stated == "integer" if stated else bool(entries) and parts.ds_type(entries[0]) == pl.Int64
    return rows.Times(integer, request.get("zone") or "UTC")


def _sent(request: dict[str, Any], entries: Sequence[Entry]) -> rows.Sent:
    times, limit = _times(request, entries), request.get("max_rows") or rows.MAX_ROWS
    how: dict[str, Any] = {"columns": request["columns"], "times": times, "limit": limit}
    how["pointer"] = request.get("pointer") or ""
    if request.get("rows_path"):
        return rows.from_file(Path(request["rows_path"]), **how)
    return rows.from_list(request["rows"], **how)


def _refused(problems: Sequence[rows.RowProblem], count: int) -> dict[str, Any]:
    nothing = dict.fromkeys(("added", "changed", "unchanged", "removed"), 0)
    return {
        **nothing,
        "entry": None,
        "problems": [each.to_json() for each in problems],
        "problem_count": count,
    }


def _written(done: changes.Upsert | changes.Deletion, entry: Entry) -> dict[str, Any]:
    """The counts as JSON; the part is written when it has rows."""
    counts = {name: getattr(done, name) for name in done.__slots__ if name not in ("part", "columns")}
    if done.part.height:
        parts.write(done.part, Path(entry.path))
    told = entry.to_json() if done.part.height else None
    return _spoken_bounds({**counts, "known_at": done.known_at.isoformat()}) | {
        "entry": told,
        "rows": done.part.height,
    }


def _spoken_bounds(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, **{name: spoken(record[name]) for name in ("first_ds", "last_ds")}}


def _frames(entries: Sequence[Entry], request: dict[str, Any], window: Window) -> Iterator[pl.DataFrame]:
    """The long table, as it is or as it was known, in stretches of whole series."""
    covariates, past = request.get("covariates") or (), request.get("past") or ()
    columns = state.columns_asked(entries, (*covariates, *past))
    at = rows.utc(request["as_of"]) if request.get("as_of") else None
    for frame in state.slices(entries, window=window, columns=columns, at=at):
        if at is None:
            yield frame
        else:
            zone = request.get("zone")
            yield state.hidden_after(frame.lazy(), at, columns, covariates, zone=zone).collect()


def _told(name: str, table: pl.DataFrame, limit: int, *, first: bool) -> dict[str, Any]:
    shown = table.head(limit) if first else table.tail(limit)
    values = {
        each: [_finite(value) for value in shown[each].to_list()]
        for each in shown.columns
        if each not in (*parts.KEY, parts.ROW)
    }
    y = values.pop("y")
    ds = [spoken(at) for at in shown["ds"].to_list()]
    return {"unique_id": name, "points": table.height, "ds": ds, "y": y, "covariates": values}


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _jsonable(record: dict[str, Any]) -> dict[str, Any]:
    return {name: _finite(each) if isinstance(each, float) else each for name, each in record.items()}
