"""Tables as they come -> frames of what is written, and their shape."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from apps.datasets.writing.contracts import Shape, Unwritable

OURS = "__"  # so begin the names of columns that are never written
FIRST = ("unique_id", "ds", "y")
KNOWN_AT = "known_at"
CHUNK_ROWS = 100_000
MAX_WIDE_SERIES = 20_000

Frames = Callable[[], Iterator[pl.DataFrame]]


def long_frames(table: pl.DataFrame | Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """unique_id, ds, y, covariates and at last known_at, in frames of bounded height; NaN becomes null."""
    whole = [table] if isinstance(table, pl.DataFrame) else table
    for frame in whole:
        covariates = [
            name for name in frame.columns if name not in (*FIRST, KNOWN_AT) and not name.startswith(OURS)
        ]
        known_at = [KNOWN_AT] if KNOWN_AT in frame.columns else []
        chosen = frame.select(*FIRST, *covariates, *known_at)
        yield from _slices(_plain(chosen))


def wide_frames(table: pl.DataFrame | Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """ds, and a column of ``y`` for each series; raises ``Unwritable`` where a table cannot be so."""
    long = pl.concat([frame.select(FIRST) for frame in long_frames(table)])
    _refuse_unpivotable(long)
    yield from _slices(long.pivot("unique_id", index="ds", values="y").sort("ds"))


def _slices(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """At least one, since also a table without rows has a header."""
    yield from frame.iter_slices(CHUNK_ROWS) if frame.height else [frame]


def _plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Text as text, however it is kept; a number that is none as missing."""
    return frame.with_columns(pl.selectors.categorical().cast(pl.String), pl.selectors.float().fill_nan(None))


def _refuse_unpivotable(long: pl.DataFrame) -> None:
    count = long["unique_id"].n_unique()
    advice = "Take the long layout: one row for each series and time."
    if count > MAX_WIDE_SERIES:
        raise Unwritable(
            "too_many_series",
            f"{count:,} series are more columns than the {MAX_WIDE_SERIES:,} of a wide file.",
            advice,
        )
    if (long["unique_id"] == "ds").any():
        raise Unwritable("series_called_ds", "A series is called “ds”, as the column of times is.", advice)
    repeated = long.filter(long.select("unique_id", "ds").is_duplicated())
    if repeated.height:
        series, when = repeated.row(0)[:2]
        raise Unwritable("duplicate_time", f"Series “{series}” has two values for {when}.", advice)


@dataclass
class Surveyor:
    """Notes of frames that pass what a writer has to know before the first."""

    columns: tuple[str, ...] = ()
    rows: int = 0
    clocks: dict[str, str] = field(default_factory=dict)

    def see(self, frame: pl.DataFrame) -> None:
        """Take a frame into account."""
        self.columns = tuple(frame.columns)
        self.rows += frame.height
        for name in frame.select(pl.selectors.datetime()).columns:
            clocks = (self.clocks.get(name, "date"), _clock(frame[name]))
            self.clocks[name] = max(clocks, key=("date", "second", "microsecond").index)

    @property
    def shape(self) -> Shape:
        """What was seen."""
        return Shape(self.columns, self.rows, dict(self.clocks), frozenset({KNOWN_AT} & self.clocks.keys()))


def _clock(times: pl.Series) -> str:
    if (times.dt.microsecond() != 0).any():
        return "microsecond"
    return "second" if (times.dt.time() != datetime.time()).any() else "date"


def surveyed(frames: Iterator[pl.DataFrame], folder: Path) -> tuple[Frames, Shape]:
    """The same frames again, as often as wanted, and their shape: they wait in files of ``folder``, not in memory."""
    surveyor = Surveyor()
    paths = []
    for position, frame in enumerate(frames):
        surveyor.see(frame)
        paths.append(folder / f"{position:06d}.arrow")
        frame.write_ipc(paths[-1], compression="lz4")

    def again() -> Iterator[pl.DataFrame]:
        for path in paths:
            yield pl.read_ipc(path)

    return again, surveyor.shape
