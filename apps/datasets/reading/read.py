"""One reading of a file or a generated table: all that a ``Reading`` says, and the Parquet files if asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from apps.datasets.doctor import examine
from apps.datasets.reading import formats, guess, samples
from apps.datasets.reading.build import ROW, Long, build_long
from apps.datasets.reading.contracts import ColumnMapping, Reading, Table, Unreadable, shorten
from apps.datasets.reading.grid import Grid, find_grid
from apps.datasets.reading.tabular import Chunk, Tabular

PREVIEW_ROWS = 8
PREVIEW_COLUMNS = 30
WIDE_COLUMNS = 3
KEPT_FAULTS = 1_000
GROUP_ROWS = 64 * 1024


@dataclass(frozen=True, slots=True)
class Targets:
    """Where to write what was read; None: nowhere. ``lines``: all that the doctor found, as NDJSON."""

    points: Path | None = None
    statics: Path | None = None
    lines: Path | None = None


NOWHERE = Targets()


def read_file(
    path: Path, filename: str, mapping: ColumnMapping | None = None, targets: Targets = NOWHERE
) -> Reading:
    """Read a file of any known format; never raises for what the file holds.

    ``mapping`` overrides the guess; when it names neither a time nor a layout only its ``choices`` are used.
    """
    asked = mapping or ColumnMapping("", "")
    reading = Reading(state="refused", mapping=asked)
    try:
        source = formats.open_source(path, filename, asked.choices)
        reading = replace(reading, said=source.said)
        reading = _described(reading, source, asked)
        assert reading.mapping is not None
        long = build_long(source, reading.mapping)
        return _finished(replace(reading, file_rows=long.rows), long, targets)
    except Unreadable as stopped:
        return _stopped(reading, stopped)


def read_table(frame: pl.DataFrame, covariates: tuple[str, ...], targets: Targets) -> Reading:
    """The reading of a table that the program made (demo data): unique_id, ds, y and ``covariates``."""
    ordered = (
        frame.sort("unique_id", "ds").with_row_index(ROW, offset=2).with_columns(pl.col(ROW).cast(pl.Int64))
    )
    mapping = ColumnMapping(time="ds", value="y", series=("unique_id",), covariates=covariates)
    empty = Reading(state="refused", mapping=mapping, file_rows=frame.height)
    reading = _finished(empty, Long(ordered, covariates, ()), targets)
    return replace(reading, findings=tuple(replace(finding, rows=()) for finding in reading.findings))


def write_parquet(frame: pl.DataFrame, target: Path) -> None:
    """Write a part the same way every time, so that equal data has an equal hash; a few series are read without the rest."""
    # As text: with a type of categories each row group is read with the names of all series, thirteen times as slowly.
    named = frame.with_columns(pl.col("unique_id").cast(pl.String))
    named.write_parquet(target, compression="zstd", statistics=True, row_group_size=GROUP_ROWS)


def _described(reading: Reading, source: Tabular, asked: ColumnMapping) -> Reading:
    """Columns, preview and mapping: what can be shown even when the values turn out unreadable."""
    first = next(source.chunks(), None) or Chunk(
        pl.DataFrame(schema=dict.fromkeys(source.columns, pl.String)), pl.Series(dtype=pl.Int64)
    )
    columns = guess.describe(first.frame)
    given = asked.time or asked.layout != "long"
    mapping = asked if given else _with_choices(guess.guess_mapping(first.frame, columns), asked.choices)
    head = first.frame.select(first.frame.columns[:PREVIEW_COLUMNS]).head(PREVIEW_ROWS)
    preview = tuple(tuple(_cell(cell) for cell in row) for row in head.rows())
    return replace(reading, columns=columns, preview=preview, mapping=mapping, file_rows=first.frame.height)


def _cell(value: object) -> str:
    return "" if value is None else shorten(samples.spoken(value))


def _with_choices(mapping: ColumnMapping, choices: Mapping[str, str]) -> ColumnMapping:
    return replace(mapping, choices=dict(choices))


def _stopped(reading: Reading, stopped: Unreadable) -> Reading:
    state = "refused" if stopped.problems else "needs_choice"
    return replace(reading, state=state, problems=stopped.problems, questions=stopped.questions)


def _finished(reading: Reading, long: Long, targets: Targets) -> Reading:
    if targets.points is not None:
        write_parquet(long.table, targets.points)
    if targets.statics is not None and long.statics is not None:
        long.statics.write_parquet(targets.statics, compression="zstd", statistics=True)
    grid = find_grid(long.table)
    report = examine.examine(long.table, about(long.covariates, long.past, grid, faults=long.faults))
    if targets.lines is not None:
        examine.write_lines(report, targets.lines)
    return replace(
        reading,
        state="readable",
        said=reading.said + long.said + _wide_hint(reading),
        findings=report.findings,
        samples=samples.take_samples(long.table),
        table=_summary(long, grid, report),
        faults=tuple(long.faults.head(KEPT_FAULTS).to_dicts()),
    )


def about(
    covariates: tuple[str, ...],
    past: tuple[str, ...],
    grid: Grid,
    *,
    faults: pl.DataFrame | None = None,
    now: datetime | None = None,
) -> examine.About:
    """What the doctor is told of a table."""
    return examine.About(
        covariates=covariates,
        past=past,
        frequency=grid.frequency,
        votes=grid.votes,
        faults=faults,
        horizon=None,
        now=now or datetime.now(UTC).replace(tzinfo=None),
    )


def _summary(long: Long, grid: Grid, report: examine.Report) -> Table:
    frequency = grid.frequency
    times = long.table.filter(pl.col("y").is_not_null())["ds"]
    extra: dict[str, Any] = {"past": long.past, "known_at": "known_at" in long.table.columns, "utc": long.utc}
    return Table(
        rows=long.table.height,
        series_count=long.table["unique_id"].n_unique(),
        first_ds=samples.spoken(times.min()),
        last_ds=samples.spoken(times.max()),
        frequency=frequency.alias if frequency else None,
        season_length=frequency.season_length if frequency else None,
        gap_rule=report.gap_rule,
        missing_steps=report.missing_steps,
        covariates=long.covariates,
        **extra,
    )


def _wide_hint(reading: Reading) -> tuple[str, ...]:
    """How a file was understood that could be meant otherwise."""
    mapping = reading.mapping
    if mapping is None:
        return ()
    if mapping.layout == "wide":
        return (
            f"Each of the {len(mapping.values):,} columns beside “{shorten(mapping.time)}” is read as a series of its own.",
        )
    if mapping.layout == "across":
        return (
            f"Each row is read as a series, and the {len(mapping.values):,} columns named by a date as its values.",
        )
    if mapping.series or len(mapping.covariates) < WIDE_COLUMNS:
        return ()
    return (
        f"The file is read as one series of “{shorten(mapping.value)}” with {len(mapping.covariates)} further columns. If "
        "each column is a series of its own, choose the layout “a column for each series”.",
    )
