"""What is written is read back, by every reader from every writer: the same series, times and numbers, to the bit."""

from __future__ import annotations

import datetime as dt
import gzip
import re
import struct
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.datasets import writing
from apps.datasets.reading import build, formats
from apps.datasets.reading.contracts import ColumnMapping

FIRST = dt.datetime.fromisoformat("1950-01-01")
KNOWN = dt.datetime.fromisoformat("2024-05-01 06:30:15")
PRINTED = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cn", "Co"))
NAMES = st.text(PRINTED, min_size=1, max_size=8).filter(lambda name: name.strip() == name)
ODD_NAMES = st.sampled_from(
    ["=1+1", "'=1", "-5", "+7", "@x", "_x0041_", "007", "NA", "a,b", 'say "so"', "true", "1e5", "größe"]
)
NUMBERS = (
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**6), 10**6).map(float) | st.just(-0.0)
)
STEPS = st.sampled_from(["days", "minutes", "whole numbers"])
CELLS = st.none() | NUMBERS
ROWS = st.lists(st.tuples(NUMBERS, CELLS, CELLS), min_size=1, max_size=5)

Panel = dict[str, list[tuple[float, float | None, float | None]]]


def table_of(panel: Panel, step: str) -> pl.DataFrame:
    """``y`` is missing where the second number of a row is; the third is a price; every second row was known later."""
    rows = [
        (name, place if step == "whole numbers" else FIRST + dt.timedelta(**{step: place * 7}), *row, place)
        for name, values in sorted(panel.items())
        for place, row in enumerate(values)
    ]
    frame = pl.DataFrame(
        rows,
        schema={
            "unique_id": pl.String,
            "ds": pl.Int64 if step == "whole numbers" else pl.Datetime("us"),
            "y": pl.Float64,
        }
        | {"second": pl.Float64, "price": pl.Float64, "place": pl.Int64},
        orient="row",
    )
    missing = pl.col("second").is_null() & (pl.col("place") > 0)
    known = pl.lit(KNOWN) + pl.duration(seconds=pl.col("place"))
    return frame.with_columns(
        pl.when(~missing).then("y").alias("y"), known.cast(pl.Datetime("us")).alias("known_at")
    ).drop("second", "place")


def read_back(path: Path, filename: str, step: str) -> pl.DataFrame:
    """The long table that the file is read as."""
    choices = {"format:ds": "whole numbers"} if step == "whole numbers" else {}
    mapping = ColumnMapping(
        "ds", "y", ("unique_id",), covariates=("price",), known_at="known_at", choices=choices
    )
    long = build.build_long(formats.open_source(path, filename, choices), mapping)
    return long.table.with_columns(pl.col("unique_id").cast(pl.String))


def bits(frame: pl.DataFrame, *, escaped: bool) -> list[tuple[Any, ...]]:
    """The rows with numbers as bytes, so that a zero's sign counts; ids as CSV writes them where ``escaped``."""
    rows = frame.select("unique_id", "ds", "y", "price", "known_at").rows()
    return sorted(
        (re.sub(r"^('*[=+\-@])", r"'\1", name) if escaped else name, ds, packed(y), packed(price), known)
        for name, ds, y, price, known in rows
    )


def packed(value: float | None) -> bytes:
    return b"" if value is None else struct.pack("<d", value)


@pytest.mark.parametrize("name", list(writing.FORMATS))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(panel=st.dictionaries(NAMES | ODD_NAMES, ROWS, min_size=1, max_size=4), step=STEPS)
def test_what_is_written_is_read_back(name: str, panel: Panel, step: str) -> None:
    table = table_of(panel, step)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "upload"
        writing.write(table.with_columns(__row=1), path, name)
        found = read_back(path, f"table{writing.FORMATS[name].suffix}", step)
    assert bits(found, escaped=False) == bits(table, escaped=name in ("csv", "tsv"))


@pytest.mark.parametrize("name", [name for name, each in writing.FORMATS.items() if each.gzips])
@pytest.mark.parametrize("compress", [None, gzip.compress, zstandard.compress])
def test_packed_files_are_read_back_too(tmp_path: Path, name: str, compress: Any) -> None:
    table = table_of({"a": [(0.1, 1.0, None), (1 / 3, 1.0, 2.5)], "b": [(-0.0, 1.0, 1e300)]}, "minutes")
    path = tmp_path / "upload"
    writing.write(table, path, name, gzipped=compress is None)
    if compress is not None:
        path.write_bytes(compress(path.read_bytes()))
    found = read_back(path, f"table{writing.FORMATS[name].suffix}.gz", "minutes")
    assert bits(found, escaped=False) == bits(table, escaped=False)
