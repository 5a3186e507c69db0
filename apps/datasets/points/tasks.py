"""What the sandbox's child does with stored points: see ``apps.datasets.sandbox.tasks``. Requests and answers are JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from apps.datasets.points import changes, reading_rows, state
from apps.datasets.points.manifest import Entry
from apps.datasets.reading.build import ROW
from apps.datasets.reading.read import write_parquet
from apps.datasets.reading.samples import spoken


def append(request: Mapping[str, Any]) -> dict[str, Any]:
    """``rows`` (observations) or ``rows_path`` (a part) with ``columns``: writes what is new to ``target``; counts,
    ``columns``, ``problems``, and the ``summary`` of what stands then. A part that says itself since when its rows are known
    (``dated``) is written whole."""
    entries = _entries(request)
    if "rows_path" in request:
        whole, columns = pl.read_parquet(request["rows_path"]), tuple(request["columns"])
        whole = whole.with_columns(pl.col("unique_id").cast(pl.String))
        rows = whole.select(*state.KEY, *columns, ROW)
        problems = _other_times(rows, entries)
    else:
        read = reading_rows.read(request["rows"], _form(request, entries))
        rows, columns, problems = read.table, read.columns, read.problems
    if problems:
        return {"problems": problems}
    done = changes.upsert(entries, rows, columns=columns, covariates=_covariates(request))
    dated = "rows_path" in request and state.KNOWN_AT in whole.columns
    if done.part.height:
        write_parquet(whole if dated else done.part, Path(request["target"]))
    return {
        "dated": dated,
        "problems": [],
        "columns": list(columns),
        "added": done.added,
        "changed": done.changed,
        "unchanged": done.unchanged,
        "summary": _grown(request, done),
    }


def delete(request: Mapping[str, Any]) -> dict[str, Any]:
    """``series``, ``start``, ``end``: writes tombstones to ``target``; ``removed`` and the ``summary`` of what stands then."""
    entries = _entries(request)
    start, end = (_bound(request[name], entries) for name in ("start", "end"))
    gone = changes.delete(entries, series=request["series"], start=start, end=end)
    if not gone.height:
        return {"removed": 0}
    write_parquet(gone, Path(request["target"]))
    later = Entry(request["target"], (), datetime.fromisoformat(request["known_at"]))
    return {"removed": gone.height, "summary": summarised([*entries, later])}


def compact(request: Mapping[str, Any]) -> dict[str, Any]:
    """Writes all that was ever known as one part to ``target``; ``columns``: what it gives."""
    whole = state.history(_entries(request), covariates=_covariates(request))
    write_parquet(whole, Path(request["target"]))
    return {"columns": ["y", *_covariates(request)]}


def diff(request: Mapping[str, Any]) -> dict[str, Any]:
    """What ``entries`` have more, other and less than ``before``."""
    older = [Entry.from_json(each) for each in request["before"]]
    return changes.diff(older, _entries(request), covariates=_covariates(request))


def list_series(request: Mapping[str, Any]) -> dict[str, Any]:
    """The series whose name holds ``query``, from ``offset`` on, at most ``limit``; ``total`` is how many there are."""
    standing = state.current(_entries(request))
    if query := request["query"]:
        lowered = pl.col("unique_id").str.to_lowercase()
        standing = standing.filter(lowered.str.contains(query.lower(), literal=True))
    known = pl.col("ds").filter(pl.col("y").is_not_null())
    grouped = standing.group_by("unique_id", maintain_order=True).agg(
        points=pl.col("y").count(), first_ds=known.min(), last_ds=known.max()
    )
    page = grouped.slice(request["offset"], request["limit"])
    listed = [
        {**row, **{name: _spoken(row[name]) for name in ("first_ds", "last_ds")}} for row in page.to_dicts()
    ]
    return {"series": listed, "total": grouped.height}


def read_series(request: Mapping[str, Any]) -> dict[str, Any]:
    """The newest ``limit`` points of each of ``series``: parallel lists of ``ds``, ``y`` and each covariate."""
    columns = ["y", *_covariates(request)]
    standing = state.current(_entries(request), covariates=_covariates(request), series=request["series"])
    found = []
    for name in request["series"]:
        points = standing.filter(pl.col("unique_id") == name).tail(request["limit"])
        if points.height:
            ds = [_spoken(value) for value in points["ds"].to_list()]
            found.append({"unique_id": name, "ds": ds, **{each: points[each].to_list() for each in columns}})
    return {"series": found}


def export(request: Mapping[str, Any]) -> dict[str, Any]:
    """Writes what stands (or was known ``as_of`` a time), of some ``series``, after the recipe's ``steps``, to ``target``."""
    from apps.datasets import writing

    entries, covariates = _entries(request), _covariates(request)
    if request["as_of"]:
        moment = datetime.fromisoformat(request["as_of"])
        table = state.as_of(
            entries, moment, covariates=covariates, past=request["past"], series=request["series"]
        )
    else:
        table = state.current(entries, covariates=covariates, series=request["series"])
    if request["steps"]:
        table = _cleaned(table, request)
    try:
        writing.write(table, Path(request["target"]), request["format"])
    except writing.Unwritable as refused:
        return {"refused": str(refused)}
    return {"rows": table.height}


def summarised(entries: Sequence[Entry]) -> dict[str, Any]:
    """``changes.summary`` as JSON values."""
    said = changes.summary(entries)
    return {**said, "first_ds": _spoken(said["first_ds"]), "last_ds": _spoken(said["last_ds"])}


def _cleaned(table: pl.DataFrame, request: Mapping[str, Any]) -> pl.DataFrame:
    from apps.datasets.doctor import fixes
    from apps.datasets.doctor.contracts import Step
    from apps.datasets.reading.grid import frequency_of

    steps = [Step.from_json(each) for each in request["steps"]]
    known = [name for name in request["covariates"] if name not in request["past"]]
    return fixes.apply(
        table, steps, frequency=frequency_of(request["frequency"]), covariates=known, past=request["past"]
    ).table


def _grown(request: Mapping[str, Any], done: changes.Upsert) -> dict[str, Any]:
    """What stands after an upsert, from what stood before: the base need not be read again for it."""
    facts = request["facts"]
    if "y" not in done.part.columns or not done.part.height:
        times = []
    else:
        times = [spoken(each) for each in done.part.filter(pl.col("y").is_not_null())["ds"].to_list()]
    number: Any = int if done.part.schema["ds"] == pl.Int64 else str
    bounds = [text for text in (facts["first_ds"], facts["last_ds"], *times) if text]
    return {
        "rows": facts["rows"] + done.added + done.changed - done.replaced,
        "series_count": facts["series_count"] + done.new_series,
        "first_ds": str(min(bounds, key=number)) if bounds else "",
        "last_ds": str(max(bounds, key=number)) if bounds else "",
    }


def _entries(request: Mapping[str, Any]) -> list[Entry]:
    return [Entry.from_json(each) for each in request["entries"]]


def _covariates(request: Mapping[str, Any]) -> tuple[str, ...]:
    return (*request["covariates"], *request["past"])


def _form(request: Mapping[str, Any], entries: Sequence[Entry]) -> reading_rows.Form:
    return reading_rows.Form(
        columns=("y", *_covariates(request)),
        integer_time=_has_integer_time(entries),
        single_series=request["single_series"],
        zone=request["zone"],
        utc=request["utc"],
    )


def _has_integer_time(entries: Sequence[Entry]) -> bool:
    return bool(pl.read_parquet_schema(entries[0].path)["ds"] == pl.Int64)


def _other_times(rows: pl.DataFrame, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    if (rows.schema["ds"] == pl.Int64) == _has_integer_time(entries):
        return []
    detail = "The file's times and the data set's are of different kinds: whole numbers and dates do not mix."
    return [{"code": "other_times", "detail": detail}]


def _bound(text: str | None, entries: Sequence[Entry]) -> object:
    if text is None:
        return None
    return int(text) if _has_integer_time(entries) else datetime.fromisoformat(text).replace(tzinfo=None)


def _spoken(value: object) -> str:
    return "" if value is None else spoken(value)
