"""Parquet: the footer is judged before anything is decoded, then the row groups come in pieces of bounded size."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from apps.datasets.reading.contracts import refuse, shorten
from apps.datasets.reading.formats import note_of
from apps.datasets.reading.formats.bombs import allowed_bytes, bomb, spoken_bytes
from apps.datasets.reading.formats.names import checked_names, refuse_too_many
from apps.datasets.reading.formats.pages import BrokenPage, column_count, pages
from apps.datasets.reading.tabular import Chunk

MAGIC = b"PAR1"
ENCRYPTED = b"PARE"
MAX_FOOTER_BYTES = 16 << 20
MAX_LIST_ITEMS = 1_000_000
# Runs of equal values take next to nothing in Parquet, so a ratio of bytes says less here than elsewhere.
MAX_RATIO = 1_000
ROWS_ALWAYS_ALLOWED = 1_000_000
MAX_ROWS_PER_BYTE = 1_000
MAX_PAGES = 100_000
BATCH_ROWS = 65_536
BATCH_CELLS = 4_000_000
MAX_BATCH_TEXT = 256 << 20
_BROKEN = "Write the file again, or upload the data as CSV."


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """A Parquet file whose footer is sound. Rows are numbered from 1."""

    path: Path
    columns: tuple[str, ...]
    stored: tuple[str, ...]
    said: tuple[str, ...]
    first_row: int = 0

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        """The rows in pieces, typed as they are stored; of ``columns`` only, when given."""
        wanted = self.columns if columns is None else columns
        stored = [self.stored[self.columns.index(name)] for name in wanted]
        first = 1
        with _complaints():
            file = _opened(self.path)
            height = max(1, min(BATCH_ROWS, BATCH_CELLS // max(1, len(stored))))
            for group in range(file.metadata.num_row_groups):
                for batch in file.iter_batches(height, row_groups=[group], columns=stored, use_threads=False):
                    yield _chunk(batch, stored, wanted, first)
                    first += batch.num_rows


def open_parquet(path: Path, filename: str, choices: Mapping[str, str]) -> ParquetTable:  # noqa: ARG001 - as all formats
    """Judge the footer of ``path``; raises ``Unreadable`` for a file that is broken, nested, or asks for too much."""
    _check_ends(path)
    with _complaints():
        refuse_too_many(_columns_said(path))
        file = pq.ParquetFile(path, **_caution())
        _check_sizes(file.metadata, path.stat().st_size)
        _check_pages(file.metadata, path)
        schema = file.schema_arrow
    _refuse_nested(schema)
    stored, names, said = _without_row_numbers(schema)
    told = (*note_of("parquet", filename), *said, *_zones(schema))
    return ParquetTable(path, checked_names(names), stored, told)


@contextmanager
def _complaints() -> Iterator[None]:
    """What pyarrow raises about a file, as a sentence."""
    try:
        yield
    except MemoryError as error:
        raise refuse(
            "bomb", "The Parquet file asks for more memory than reading it may take.", _BROKEN
        ) from error
    except (pa.ArrowException, OSError, UnicodeDecodeError, BrokenPage) as error:
        raise refuse("damaged", f"The Parquet file is damaged: {_first_line(error)}.", _BROKEN) from error


def _first_line(error: BaseException) -> str:
    return shorten(str(error).strip().partition("\n")[0]).rstrip(".")


def _opened(path: Path) -> pq.ParquetFile:
    names = _text_columns(path)
    return pq.ParquetFile(path, read_dictionary=names, **_caution())


def _text_columns(path: Path) -> list[str]:
    """Columns of text: they stay dictionaries while they are read, so that a long text repeated costs little."""
    schema = pq.ParquetFile(path, **_caution()).schema_arrow
    return [
        field.name
        for field in schema
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    ]


def _caution() -> dict[str, Any]:
    return {
        "coerce_int96_timestamp_unit": "us",
        "thrift_string_size_limit": MAX_FOOTER_BYTES,
        "thrift_container_size_limit": MAX_LIST_ITEMS,
        "arrow_extensions_enabled": False,
        "pre_buffer": False,
        "buffer_size": 1 << 20,
    }


def _check_ends(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(max(0, size - 8))
        tail = file.read(8)
    if ENCRYPTED in (head, tail[4:]):
        raise refuse("encrypted", "The Parquet file is encrypted.", "Write it without encryption.")
    if tail[4:] != MAGIC or size < 12:
        raise refuse(
            "truncated", "The Parquet file is cut off: its footer is missing.", "Upload the whole file again."
        )
    (length,) = struct.unpack("<I", tail[:4])
    if length + 12 > size:
        raise refuse(
            "truncated",
            f"The Parquet file is cut off: its footer has {length:,} bytes, the file {size:,}.",
            "Upload the whole file again.",
        )
    if length > MAX_FOOTER_BYTES:
        raise refuse(
            "too_many_columns",
            f"The Parquet file's footer has {spoken_bytes(length)}; at most {spoken_bytes(MAX_FOOTER_BYTES)} are read.",
            "Write fewer columns, and row groups of at least 100,000 rows.",
        )


def _columns_said(path: Path) -> int:
    """Asked before the footer is read as a whole, since that takes seconds for a footer without end."""
    with path.open("rb") as file:
        file.seek(-8, os.SEEK_END)
        (length,) = struct.unpack("<I", file.read(4))
        file.seek(-8 - length, os.SEEK_END)
        return column_count(file.read(min(length, 1 << 10)))


def _check_sizes(metadata: pq.FileMetaData, size: int) -> None:
    groups = [metadata.row_group(position) for position in range(metadata.num_row_groups)]
    rows = [group.num_rows for group in groups]
    if min([metadata.num_rows, *rows]) < 0 or sum(rows) != metadata.num_rows:
        raise refuse("damaged", "The Parquet file contradicts itself about its number of rows.", _BROKEN)
    if metadata.num_rows > max(ROWS_ALWAYS_ALLOWED, size * MAX_ROWS_PER_BYTE):
        raise refuse(
            "bomb",
            f"The Parquet file claims {metadata.num_rows:,} rows in {spoken_bytes(size)}.",
            "Write the file again without compression, or upload the data as CSV.",
        )
    unpacked = 0
    for group in groups:
        chunks = [group.column(position) for position in range(group.num_columns)]
        unpacked += sum(max(0, chunk.total_uncompressed_size) for chunk in chunks)
    if unpacked > (allowed := allowed_bytes(size, ratio=MAX_RATIO)):
        raise bomb("The Parquet file", size, allowed)


def _check_pages(metadata: pq.FileMetaData, path: Path) -> None:
    """What the footer says of sizes is not believed: each page says again what it unpacks to, and that is kept to."""
    size = path.stat().st_size
    allowed = allowed_bytes(size, ratio=MAX_RATIO)
    unpacked = count = 0
    with path.open("rb") as file:
        for start, length in _column_chunks(metadata):
            for page in pages(file, start, length):
                unpacked, count = unpacked + page.unpacked, count + 1
                if unpacked > allowed or count > MAX_PAGES:
                    raise bomb("The Parquet file", size, allowed)


def _column_chunks(metadata: pq.FileMetaData) -> Iterator[tuple[int, int]]:
    for group in range(metadata.num_row_groups):
        for position in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(position)
            starts = (chunk.dictionary_page_offset, chunk.data_page_offset)
            yield min(start for start in starts if start), chunk.total_compressed_size


def _refuse_nested(schema: pa.Schema) -> None:
    for field in schema:
        if pa.types.is_nested(field.type):
            raise refuse(
                "nested_column",
                f"Column “{shorten(field.name)}” is nested ({shorten(str(field.type))}): a cell must be one value.",
                "Write its members as columns of their own, or leave it out.",
                column=field.name,
            )


def _without_row_numbers(schema: pa.Schema) -> tuple[tuple[str, ...], list[str], tuple[str, ...]]:
    """The columns as stored, what they are called, and what is to be said of the index that pandas stored."""
    stored, names, said = [], [], []
    indexes = _pandas_indexes(schema)
    for field in schema:
        if field.name not in indexes or not field.name.startswith("__index_level_"):
            stored.append(field.name)
            names.append(field.name)
        elif pa.types.is_integer(field.type):
            said.append("The row numbers that pandas stored as an index are left out.")
        else:
            name = _free_name(schema.names)
            stored.append(field.name)
            names.append(name)
            said.append(f"The index that pandas stored without a name is called “{name}”.")
    return tuple(stored), names, tuple(said)


def _pandas_indexes(schema: pa.Schema) -> list[str]:
    try:
        told = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
        return [each for each in told.get("index_columns", []) if isinstance(each, str)]
    except (ValueError, AttributeError, TypeError, RecursionError):
        # Only a hint of another program: without it the columns keep the names they are stored under.
        return []


def _free_name(taken: Sequence[str]) -> str:
    return next(name for name in ("index", "index_", "index__") if name not in taken)


def _zones(schema: pa.Schema) -> tuple[str, ...]:
    zoned = [field for field in schema if pa.types.is_timestamp(field.type) and field.type.tz]
    return tuple(
        f"Column “{shorten(field.name)}” holds moments of {field.type.tz}; they are read in UTC."
        for field in zoned
        if field.type.tz not in ("UTC", "Etc/UTC", "+00:00")
    )


def _chunk(batch: pa.RecordBatch, stored: Sequence[str], names: Sequence[str], first: int) -> Chunk:
    columns = [
        _column(batch.column(batch.schema.get_field_index(source)), name)
        for source, name in zip(stored, names, strict=True)
    ]
    rows = pl.int_range(first, first + batch.num_rows, dtype=pl.Int64, eager=True)
    return Chunk(pl.DataFrame(columns), rows)


def _column(values: pa.Array, name: str) -> pl.Series:
    """One of the types that column readers know: String, Int64, Float64, Boolean, or Datetime in microseconds, without zone or in UTC."""
    if pa.types.is_dictionary(values.type):
        _refuse_endless_text(values, name)
        values = values.dictionary_decode()
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        return _times(values, name)
    if pa.types.is_fixed_size_binary(values.type) or pa.types.is_binary(values.type):
        values = values.cast(pa.large_binary())
    return _plain(pl.Series(name, pl.from_arrow(values)))


def _refuse_endless_text(values: pa.DictionaryArray, name: str) -> None:
    if not (pa.types.is_string(values.type.value_type) or pa.types.is_large_string(values.type.value_type)):
        return
    lengths = pc.binary_length(values.dictionary).cast(pa.int64()).take(values.indices)
    total = pc.sum(lengths).as_py() or 0
    if total > MAX_BATCH_TEXT:
        raise refuse(
            "bomb",
            f"Column “{shorten(name)}” unpacks to {spoken_bytes(total)} of text in {len(values):,} rows.",
            "Shorten its texts, or leave the column out.",
            column=name,
        )


def _times(values: pa.Array, name: str) -> pl.Series:
    zone = getattr(values.type, "tz", None)
    precise = pa.types.is_timestamp(values.type) and values.type.unit == "ns"
    try:
        micros = values.cast(pa.timestamp("us", zone), safe=not precise)
    except pa.ArrowInvalid as error:
        raise refuse(
            "time_out_of_range",
            f"Column “{shorten(name)}” holds a time beyond the year 9999.",
            "Leave the cell empty where there is no time.",
            column=name,
        ) from error
    # The integers below a timestamp with a zone are UTC already.
    kind = pl.Datetime("us", "UTC" if zone else None)
    return pl.Series(name, pl.from_arrow(micros.cast(pa.int64()))).cast(kind)


def _plain(series: pl.Series) -> pl.Series:
    kind = series.dtype
    if kind in (pl.String, pl.Boolean, pl.Int64, pl.Float64):
        return series
    if kind.is_integer():
        whole = series.cast(pl.Int64, strict=False)
        return whole if whole.null_count() == series.null_count() else series.cast(pl.Float64)
    if kind.is_decimal():
        # By way of text: a float is then the nearest one, which a division by a power of ten need not give.
        return series.cast(pl.String).cast(pl.Float64)
    if kind.is_float():
        return series.cast(pl.Float64)
    if kind == pl.Binary:
        return _decoded(series)
    return series.cast(pl.String)


def _decoded(series: pl.Series) -> pl.Series:
    try:
        return series.cast(pl.String)
    except pl.exceptions.ComputeError:
        return series.bin.encode("hex")
