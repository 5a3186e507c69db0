"""What a table's checks found, as findings to read, examples to look at, and a line for each series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from apps.datasets.doctor import catalogue, telling
from apps.datasets.doctor.contracts import Example, Finding, Fix
from apps.datasets.doctor.detect import About, Place, detect
from apps.datasets.doctor.sheet import Sheet, sheet_of
from apps.datasets.reading.contracts import NAMED_ROWS, shorten

__all__ = ["About", "Report", "examine", "write_lines"]

NAMED_SERIES: Final = 5
LINE_ROWS: Final = 20
EXAMPLES: Final = 3
EXAMPLE_POINTS: Final = 60
SPARSE_SHARE: Final = 0.05
LINES: Final[dict[str, type[pl.DataType] | pl.DataType]] = {
    "code": pl.String,
    "severity": pl.String,
    "series_id": pl.String,
    "column": pl.String,
    "rows": pl.List(pl.Int64),
    "ds_first": pl.String,
    "ds_last": pl.String,
    "count": pl.Int64,
    "fix": pl.String,
}
ORDER: Final = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Report:
    """``findings``: one for each kind, the gravest first; ``lines``: one for each kind and series; ``missing_steps``: grid steps
    inside the series without a value; ``gap_rule``: how they would best be filled."""

    findings: tuple[Finding, ...]
    missing_steps: int
    gap_rule: str
    lines: pl.DataFrame


def examine(table: pl.DataFrame, about: About) -> Report:
    """Check every series of a long table sorted by (unique_id, ds, row). Nothing is changed."""
    sheet = sheet_of(table, about.frequency, about.columns)
    places = detect(sheet, about)
    findings = [_finding(place, sheet, about) for place in places]
    findings += _of_the_whole(sheet, about, places)
    findings = [_graver(finding, sheet) for finding in findings]
    missing = sum(int(place.weights.sum()) for place in places if place.code in ("gaps", "missing_values"))
    lines = [_lines(place, sheet) for place in places]
    return Report(
        tuple(sorted(findings, key=lambda each: ORDER[each.severity])),
        missing,
        _gap_rule(sheet, missing),
        pl.concat(lines) if lines else pl.DataFrame(schema=LINES),
    )


def write_lines(report: Report, path: Path) -> None:
    """All findings of all series as NDJSON."""
    if report.lines.height:
        report.lines.write_ndjson(path)
    else:
        path.write_text("")


def _finding(place: Place, sheet: Sheet, about: About) -> Finding:
    series = _series_of(place, sheet)
    ids = [sheet.ids[each] for each in series[:NAMED_SERIES].tolist()]
    by_row = np.sort(sheet.rows[place.places])[:NAMED_ROWS]
    kind = catalogue.KINDS[place.code]
    return catalogue.finding(
        place.code,
        detail=telling.detail(place, sheet, about, len(series)),
        series=tuple(shorten(each) for each in ids),
        series_count=len(series),
        rows=tuple(int(row) for row in by_row if row > 0),
        count=int(place.weights.sum()) if place.code != "too_short" else len(series),
        column=place.column,
        fixes=_fixes(kind.fixes, place),
        examples=_examples(place, sheet, about),
    )


def _fixes(fixes: tuple[Fix, ...], place: Place) -> tuple[Fix, ...]:
    """The kind's fixes, with the zone that fits and the column that is meant."""
    zones = {params["zone"] for params in place.params.values() if "zone" in params}
    extra: dict[str, Any] = {"column": place.column} if place.column else {}
    made = []
    for fix in fixes:
        params = {**fix.params, **extra}
        if fix.name == "localize" and zones:
            params["zone"] = min(zones)
        made.append(Fix(fix.name, fix.label, params))
    return tuple(made)


def _of_the_whole(sheet: Sheet, about: About, places: Sequence[Place]) -> list[Finding]:
    """Findings about no row in particular."""
    found = []
    if about.frequency is None and len(sheet):
        detail = "No series has three values at regular times."
        found.append(catalogue.finding("no_frequency", detail=detail, series_count=len(sheet.ids)))
    ahead = any(place.code == "future_rows" for place in places)
    for name in about.covariates:
        if not ahead:
            detail = f"Column “{shorten(name)}” has no value after the last one of its series."
            found.append(catalogue.finding("covariate_missing_future", detail=detail, column=name))
    return found


def _graver(finding: Finding, sheet: Sheet) -> Finding:
    """Where every series is too short for any candidate, nothing can be trained."""
    if finding.code != "too_short" or finding.series_count < len(sheet.ids):
        return finding
    lengths = np.add.reduceat((~np.isnan(sheet.y)).astype(np.int64), sheet.starts)
    if int(lengths.max()) >= telling.MIN_POINTS:
        return finding
    fields = {name: getattr(finding, name) for name in Finding.__dataclass_fields__}
    return Finding(**{**fields, "severity": "error", "title": "Too short to train", "fixes": ()})


def _gap_rule(sheet: Sheet, missing: int) -> str:
    """How missing steps would best be filled for training.

    ``zero`` only when the table looks like sales without the empty days: whole, positive numbers, no zero written anywhere,
    and at least 5 % of the steps missing. Otherwise ``season``, which sees only the past.
    """
    values = sheet.y[~np.isnan(sheet.y)]
    without_zeros = bool((values > 0).all() and (values == np.round(values)).all())
    sparse = missing >= SPARSE_SHARE * (missing + len(sheet))
    return "zero" if without_zeros and sparse and missing else "season"


def _series_of(place: Place, sheet: Sheet) -> Any:
    return np.unique(np.searchsorted(sheet.indptr, place.places, side="right") - 1)


def _lines(place: Place, sheet: Sheet) -> pl.DataFrame:
    codes = np.searchsorted(sheet.indptr, place.places, side="right") - 1
    frame = pl.DataFrame(
        {
            "code": codes,
            "row": sheet.rows[place.places],
            "ds": sheet.ds[place.places],
            "weight": place.weights,
        }
    )
    grouped = frame.group_by("code", maintain_order=True).agg(
        pl.col("row").head(LINE_ROWS).alias("rows"),
        pl.col("ds").min().alias("first"),
        pl.col("ds").max().alias("last"),
        pl.col("weight").sum().alias("count"),
    )
    kind = catalogue.KINDS[place.code]
    ids = pl.Series("series_id", [sheet.ids[each] for each in grouped["code"].to_list()], dtype=pl.String)
    return grouped.select(
        pl.lit(place.code).alias("code"),
        pl.lit(kind.severity).alias("severity"),
        ids,
        pl.lit(place.column, pl.String).alias("column"),
        "rows",
        telling.times(grouped["first"], sheet).alias("ds_first"),
        telling.times(grouped["last"], sheet).alias("ds_last"),
        "count",
        pl.lit(kind.fixes[0].name if kind.fixes else None, pl.String).alias("fix"),
    ).cast(LINES)  # type: ignore[arg-type]


def _examples(place: Place, sheet: Sheet, about: About) -> tuple[Example, ...]:
    """Stretches of a few series around the first place, with what the proposed fix would make of them."""
    if place.code in ("future_rows", "intermittent", "no_values", "covariate_missing_future"):
        return ()
    from apps.datasets.doctor import preview

    return tuple(
        preview.example(sheet, series, place, about)
        for series in _series_of(place, sheet)[:EXAMPLES].tolist()
    )
