"""The way in: a table, a path, a format."""

from __future__ import annotations

import gzip
import importlib
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from apps.datasets.writing.contracts import LAYOUTS, Format, Unwritable
from apps.datasets.writing.formats import FORMATS

if TYPE_CHECKING:
    import polars as pl


def write(
    table: pl.DataFrame | Iterable[pl.DataFrame],
    path: Path,
    format: str,
    *,
    layout: str = "long",
    gzipped: bool = False,
) -> int:
    """Write a long table, whole or in frames, to ``path``; the number of rows written.

    ``layout`` ``long`` has unique_id, ds, y, the covariates and, if there, known_at; ``wide`` has ds and a column of
    ``y`` for each series. Memory stays bounded by a frame (``wide`` holds the table). Raises ``Unwritable``, and
    leaves no half file.
    """
    from apps.datasets.writing import shapes

    chosen = _checked(format, layout, gzipped=gzipped)
    frames = (shapes.long_frames if layout == "long" else shapes.wide_frames)(table)
    writer = importlib.import_module(chosen.module)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as folder:
        again, shape = shapes.surveyed(frames, Path(folder))
        with _opened(path, gzipped=gzipped) as out:
            writer.write(again(), out, shape)
    return shape.rows


def _checked(name: str, layout: str, *, gzipped: bool) -> Format:
    if name not in FORMATS:
        raise Unwritable(
            "unknown_format",
            f"There is no format called {name[:40]!r}.",
            f"Take one of {', '.join(FORMATS)}.",
        )
    if layout not in LAYOUTS:
        raise Unwritable(
            "unknown_layout",
            f"There is no layout called {layout[:40]!r}.",
            f"Take one of {', '.join(LAYOUTS)}.",
        )
    if gzipped and not FORMATS[name].gzips:
        raise Unwritable(
            "already_small", f"{FORMATS[name].label} is compressed by itself.", "Take it without gzip."
        )
    return FORMATS[name]


@contextmanager
def _opened(path: Path, *, gzipped: bool) -> Iterator[BinaryIO]:
    """The file to write to; gone again when writing fails. Equal tables give equal bytes: gzip notes no time."""
    try:
        with path.open("wb") as file:
            if not gzipped:
                yield file
                return
            with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0, compresslevel=6) as packed:
                yield cast(BinaryIO, packed)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
