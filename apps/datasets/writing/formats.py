"""The formats that a data set can be taken away in. One more: its module, and its line here."""

from __future__ import annotations

from typing import Final

from apps.datasets.writing.contracts import Format

_HERE = "apps.datasets.writing"
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FORMATS: Final = {
    item.name: item
    for item in (
        Format("csv", "CSV", ".csv", "text/csv; charset=utf-8", f"{_HERE}.csv", gzips=True),
        Format("tsv", "TSV", ".tsv", "text/tab-separated-values; charset=utf-8", f"{_HERE}.tsv", gzips=True),
        Format(
            "parquet",
            "Parquet",
            ".parquet",
            "application/vnd.apache.parquet",
            f"{_HERE}.parquet",
            gzips=False,
        ),
        Format("json", "JSON", ".json", "application/json", f"{_HERE}.json", gzips=True),
        Format("ndjson", "NDJSON", ".ndjson", "application/x-ndjson", f"{_HERE}.ndjson", gzips=True),
        Format("xlsx", "Excel", ".xlsx", _XLSX, f"{_HERE}.xlsx", gzips=False),
    )
}
