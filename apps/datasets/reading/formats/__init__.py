"""Which reader opens a file: by what its first bytes say, and by its name where they say nothing."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from apps.datasets.reading.contracts import refuse
from apps.datasets.reading.tabular import Tabular

HEAD_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Format:
    """``opener``: "module:function" from (path, choices) to a ``Tabular``; ``magic``: how such a file begins; ``suffixes``:
    how it is named."""

    title: str
    opener: str
    suffixes: tuple[str, ...]
    magic: tuple[bytes, ...] = ()


FORMATS: Final = {
    "parquet": Format("Parquet", "parquet:open_parquet", (".parquet", ".pq"), (b"PAR1",)),
    "excel": Format(
        "Excel",
        "excel:open_excel",
        (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"),
        (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"),
    ),
    "gzip": Format("gzip", "compressed:open_gzip", (".gz",), (b"\x1f\x8b",)),
    "zstd": Format("zstd", "compressed:open_zstd", (".zst", ".zstd"), (b"\x28\xb5\x2f\xfd",)),
    "ndjson": Format("NDJSON", "json:open_ndjson", (".ndjson", ".jsonl")),
    "json": Format("JSON", "json:open_json", (".json",)),
    "csv": Format("CSV", "text:open_csv", (".csv", ".tsv", ".txt")),
}
OTHERS: Final = (
    (b"%PDF", "a PDF document"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"#!", "a script"),
    (b"Rar!", "a rar archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
)


def open_source(path: Path, filename: str, choices: Mapping[str, str]) -> Tabular:
    """The file, opened; raises ``Unreadable`` for what is no table."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    for magic, what in OTHERS:
        if head.startswith(magic):
            raise refuse(
                "not_a_table",
                f"This is {what}, not a table.",
                "Save the data as CSV, Excel, Parquet or JSON.",
            )
    form = FORMATS[_kind(head, filename.lower())]
    module, _, function = form.opener.partition(":")
    opener: Any = getattr(importlib.import_module(f"apps.datasets.reading.formats.{module}"), function)
    opened: Tabular = opener(path, filename, choices)
    return opened


def note_of(form: str, filename: str) -> tuple[str, ...]:
    """The sentence for a file whose name says something else than its content."""
    suffix = Path(filename.lower()).suffix
    named = next((name for name, each in FORMATS.items() if suffix in each.suffixes), None)
    if named is None or named == form:
        return ()
    return (f"The file is called {suffix}, but holds {FORMATS[form].title}.",)


def _kind(head: bytes, name: str) -> str:
    for kind, form in FORMATS.items():
        if any(head.startswith(magic) for magic in form.magic):
            return kind
    begins = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if begins not in (b"{", b"["):
        return "csv"
    if begins == b"[" or name.endswith(FORMATS["json"].suffixes):
        return "json"
    first_line = head.lstrip().split(b"\n", 1)[0].rstrip()
    return "ndjson" if first_line.endswith(b"}") else "json"
