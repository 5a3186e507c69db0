"""One pass over a file or a generated table: all that a ``Reading`` says, and the Parquet if asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from apps.datasets import findings
from apps.datasets.reading import dialect, guess, samples, table, text
from apps.datasets.reading.build import ROW, Long, build_long
from apps.datasets.reading.contracts import ColumnMapping, Reading, Table, Unreadable, shorten
from apps.datasets.reading.grid import find_grid, with_steps

PREVIEW_ROWS = 8
WIDE_COLUMNS = 3


def read_csv(raw: bytes, mapping: ColumnMapping | None = None, target: Path | None = None) -> Reading:
    """Read a CSV file's bytes; never raises for what the file holds.

    ``mapping`` overrides the guess; when it names no time column only its ``choices`` are used. ``target``:
    where to write the long table as Parquet when the reading succeeds.
    """
    asked = mapping or ColumnMapping("", "")
    reading = Reading(state="refused", mapping=asked)
    try:
        decoded = text.decode(raw, asked.choices.get("encoding"))
        found = dialect.sniff(decoded.data, asked.choices.get("delimiter"))
        reading = replace(reading, said=decoded.said + found.said)
        strings = table.read_strings(decoded.data, found)
        reading = _described(reading, strings, asked)
        assert reading.mapping is not None
        long = build_long(strings, reading.mapping)
        return _finished(reading, long, target)
    except Unreadable as stopped:
        return _stopped(reading, stopped)


def read_table(frame: pl.DataFrame, covariates: tuple[str, ...], target: Path) -> Reading:
    """The reading of a table that the program made (demo data): unique_id, ds, y and ``covariates``."""
    ordered = (
        frame.sort("unique_id", "ds").with_row_index(ROW, offset=2).with_columns(pl.col(ROW).cast(pl.Int64))
    )
    mapping = ColumnMapping(time="ds", value="y", series=("unique_id",), covariates=covariates)
    empty = Reading(state="refused", mapping=mapping, file_rows=frame.height)
    reading = _finished(empty, Long(ordered, covariates, ()), target)
    return replace(reading, findings=tuple(replace(finding, rows=()) for finding in reading.findings))


def _described(reading: Reading, strings: table.Strings, asked: ColumnMapping) -> Reading:
    """Columns, preview and mapping: what can be shown even when the values turn out unreadable."""
    columns = guess.describe(strings.frame)
    mapping = (
        asked if asked.time else _with_choices(guess.guess_mapping(strings.frame, columns), asked.choices)
    )
    head = strings.frame.head(PREVIEW_ROWS).rows()
    preview = tuple(tuple(shorten(cell) for cell in row) for row in head)
    return replace(reading, columns=columns, preview=preview, mapping=mapping, file_rows=strings.frame.height)


def _with_choices(mapping: ColumnMapping, choices: Mapping[str, str]) -> ColumnMapping:
    return replace(mapping, choices=dict(choices))


def _stopped(reading: Reading, stopped: Unreadable) -> Reading:
    state = "refused" if stopped.problems else "needs_choice"
    return replace(reading, state=state, problems=stopped.problems, questions=stopped.questions)


def _finished(reading: Reading, long: Long, target: Path | None) -> Reading:
    grid = find_grid(long.table)
    stepped = with_steps(long.table, grid.frequency) if grid.frequency else long.table
    context = findings.make_context(stepped, grid.frequency, grid.votes, long.covariates)
    if target is not None:
        write_parquet(long.table.drop(ROW), target)
    return replace(
        reading,
        state="readable",
        said=reading.said + long.said + _wide_hint(reading),
        findings=findings.find_all(context),
        samples=samples.take_samples(context.past),
        table=_summary(context),
    )


def write_parquet(frame: pl.DataFrame, target: Path) -> None:
    """Write a table the same way every time, so that equal data has an equal hash."""
    frame.write_parquet(target, compression="zstd", statistics=True, row_group_size=512 * 1024)


def _summary(context: findings.Context) -> Table:
    times, frequency = context.past["ds"], context.frequency
    return Table(
        rows=context.table.height,
        series_count=context.table["unique_id"].n_unique(),
        first_ds=samples.spoken(times.min()),
        last_ds=samples.spoken(times.max()),
        frequency=frequency.alias if frequency else None,
        season_length=frequency.season_length if frequency else None,
        gap_rule=findings.propose_gap_rule(context),
        missing_steps=findings.count_missing_steps(context),
        covariates=context.covariates,
    )


def _wide_hint(reading: Reading) -> tuple[str, ...]:
    """A file with one series and many number columns may be in wide format: say how it was understood."""
    mapping = reading.mapping
    if mapping is None or mapping.series or len(mapping.covariates) < WIDE_COLUMNS:
        return ()
    return (
        f"The file is read as one series of “{shorten(mapping.value)}” with {len(mapping.covariates)} "
        "further columns. If each column is a series of its own, bring the file into long format: one row "
        "per series and time.",
    )
