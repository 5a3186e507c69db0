"""What is written is read back: any series ids, any finite numbers, in every dialect and encoding."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.datasets.reading.contracts import ColumnMapping
from apps.datasets.reading.numbers import FORMATS
from apps.datasets.reading.read import Targets
from tests.datasets.csv_files import days, read

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=12
).filter(lambda name: name.strip() == name)
VALUES = st.floats(min_value=-1e12, max_value=1e12, allow_nan=False)
MAPPING = ColumnMapping("ds", "y", ("unique_id",))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    panel=st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=6), min_size=1, max_size=4),
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_written_is_read_back(
    panel: dict[str, list[float]], delimiter: str, encoding: str, line_end: str
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(["unique_id", "ds", "y"])
    for name, values in panel.items():
        writer.writerows(
            [name, day, repr(value)] for day, value in zip(days(len(values)), values, strict=True)
        )
    choices = {"delimiter": delimiter, "format:y": "1234.5", "format:ds": "YYYY-MM-DD"}
    mapping = ColumnMapping("ds", "y", ("unique_id",), choices=choices)
    assert read_back(out.getvalue().encode(encoding), mapping) == {
        (name, day.isoformat(), value)
        for name, values in panel.items()
        for day, value in zip(days(len(values)), values, strict=True)
    }


@settings(max_examples=80, deadline=None)
@given(
    values=st.lists(st.integers(-(10**9), 10**9).map(lambda cents: cents / 100), min_size=1, max_size=8),
    shape=st.sampled_from(sorted(FORMATS)),
)
def test_numbers_are_read_back_in_every_way_of_writing_them(values: list[float], shape: str) -> None:
    lines = [f"a;{day};{written(value, shape)}" for day, value in zip(days(len(values)), values, strict=True)]
    raw = "\n".join(["unique_id;ds;y", *lines]).encode()
    mapping = ColumnMapping("ds", "y", ("unique_id",), choices={"format:y": shape})
    assert read_back(raw, mapping) == {
        ("a", day.isoformat(), value) for day, value in zip(days(len(values)), values, strict=True)
    }


def written(value: float, shape: str) -> str:
    """``value`` with two decimals, written as in the name of the format."""
    item = FORMATS[shape]
    text = f"{value:,.2f}" if item.thousands else f"{value:.2f}"
    return text.translate(str.maketrans({",": item.thousands[:1], ".": item.decimal}))


def read_back(raw: bytes, mapping: ColumnMapping) -> set[tuple[Any, ...]]:
    """The rows of the Parquet file that the reading of ``raw`` wrote."""
    with TemporaryDirectory() as folder:
        target = Path(folder) / "table.parquet"
        reading = read(raw, mapping, targets=Targets(target))
        assert reading.state == "readable", (reading.problems, reading.questions)
        frame = pl.read_parquet(target).drop("__row").with_columns(pl.col("unique_id").cast(pl.String))
    assert frame.schema == {"unique_id": pl.String, "ds": pl.Datetime("us"), "y": pl.Float64}
    return {(name, ds.date().isoformat(), y) for name, ds, y in frame.rows()}
