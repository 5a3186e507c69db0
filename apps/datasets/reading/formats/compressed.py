"""gzip and zstd around another file: unpacked to disk as a stream, which ends as soon as it gives too much."""

from __future__ import annotations

import gzip
import weakref
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from apps.datasets.reading import formats
from apps.datasets.reading.contracts import refuse, shorten
from apps.datasets.reading.formats.bombs import ALWAYS_ALLOWED, MAX_RATIO, MAX_UNPACKED, bomb, spoken_bytes
from apps.datasets.reading.tabular import Chunk, Tabular, Unpacked

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
BLOCK = 1 << 20
# A block of three bytes can stand for 128 kB: so much input at once gives at most some 40 MB.
_ZSTD_INPUT = 1 << 10
_SUFFIXES = (".gz", ".gzip", ".zst", ".zstd")
_AGAIN = "Upload the whole file again, or upload the data without compression."


@dataclass(frozen=True, slots=True)
class UnpackedTable:
    """What was packed, opened by its own content; the file it was unpacked to lives as long as this."""

    source: Tabular
    file: Unpacked
    columns: tuple[str, ...]
    said: tuple[str, ...]
    first_row: int

    def chunks(self) -> Iterator[Chunk]:
        """The rows in pieces."""
        return self.source.chunks()


def open_gzip(path: Path, filename: str, choices: Mapping[str, str]) -> UnpackedTable:
    """Unpack and open what gzip packed; raises ``Unreadable``, see ``unpack``."""
    return _open(path, filename, choices, "gzip")


def open_zstd(path: Path, filename: str, choices: Mapping[str, str]) -> UnpackedTable:
    """Unpack and open what zstd packed; raises ``Unreadable``, see ``unpack``."""
    return _open(path, filename, choices, "zstd")


def _open(path: Path, filename: str, choices: Mapping[str, str], kind: str) -> UnpackedTable:
    file = Unpacked()
    weakref.finalize(file, file.file.close)
    unpack(path, file.file, kind)
    file.file.flush()
    _refuse_another(file.path, kind)
    source = formats.open_source(file.path, inner_name(filename), choices)
    return UnpackedTable(source, file, source.columns, source.said, source.first_row)


def inner_name(filename: str) -> str:
    """The name of the file within: ``sales.csv`` of ``sales.csv.gz``."""
    suffix = next((each for each in _SUFFIXES if filename.lower().endswith(each)), "")
    return filename[: len(filename) - len(suffix)]


def unpack(path: Path, out: IO[bytes], kind: str) -> None:
    """Write what the file at ``path`` holds to ``out``; ``kind``: ``gzip`` or ``zstd``.

    Raises ``Unreadable`` for a file that is cut off or damaged, or that unpacks to more than a hundred times its size
    (beyond 64 MB) or 4 GB.
    """
    blocks: Callable[[BinaryIO], Iterator[bytes]] = _gzip_blocks if kind == "gzip" else _zstd_blocks
    written = 0
    with path.open("rb") as packed:
        for block in blocks(packed):
            written += len(block)
            _check_growth(kind, packed.tell(), written)
            out.write(block)


def _check_growth(kind: str, read: int, written: int) -> None:
    """Judged by what was read so far, so that a bomb ends when it begins to grow, not when it has grown."""
    allowed = min(MAX_UNPACKED, max(ALWAYS_ALLOWED, read * MAX_RATIO))
    if written > allowed:
        raise bomb(f"The {kind} file", read, allowed)


def _gzip_blocks(packed: BinaryIO) -> Iterator[bytes]:
    """The bytes of all members, one behind the other."""
    done = 0
    try:
        with gzip.GzipFile(fileobj=packed, mode="rb") as file:
            while block := file.read(BLOCK):
                done += len(block)
                yield block
    except EOFError as error:
        raise _cut_off("gzip", done) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise _damaged("gzip", done, error) from error


def _zstd_blocks(packed: BinaryIO) -> Iterator[bytes]:
    """The bytes of all frames, one behind the other."""
    import zstandard

    engine = zstandard.ZstdDecompressor()
    frame, done, waiting = engine.decompressobj(), 0, b""
    begun = False
    try:
        while piece := waiting or packed.read(_ZSTD_INPUT):
            block = frame.decompress(piece)
            begun = True
            done += len(block)
            yield block
            waiting = b""
            if frame.eof:
                waiting = frame.unused_data
                frame, begun = engine.decompressobj(), False
    except zstandard.ZstdError as error:
        raise _damaged("zstd", done, error) from error
    if begun:
        raise _cut_off("zstd", done)


def _refuse_another(path: Path, kind: str) -> None:
    with path.open("rb") as file:
        head = file.read(6)
    inner = {
        GZIP: "gzip file",
        ZSTD[:2]: "zstd file",
        b"PK": "zip archive",
        b"\xd0\xcf": "workbook",
        b"7z": "7z archive",
    }
    if found := inner.get(head[:2]):
        raise refuse(
            "nested_archive",
            f"The {kind} file holds a {found}.",
            "Upload that one as it is, or compress the CSV, JSON or Parquet file once.",
        )


def _cut_off(kind: str, done: int) -> Exception:
    return refuse(
        "truncated",
        f"The {kind} file is cut off: it ends after {spoken_bytes(done)} of unpacked data.",
        _AGAIN,
    )


def _damaged(kind: str, done: int, error: Exception) -> Exception:
    why = shorten(str(error).partition("\n")[0]).rstrip(".")
    return refuse(
        "damaged",
        f"The {kind} file is damaged after {spoken_bytes(done)} of unpacked data: {why}.",
        _AGAIN,
    )
