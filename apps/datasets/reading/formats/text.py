"""CSV and its kin, in pieces: text decoded, separator and header found once, then block after block.

A block ends at a line's end outside quotation marks. Text that is not UTF-8 is first written anew as UTF-8.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final

from apps.datasets.reading import dialect, table, text
from apps.datasets.reading.contracts import refuse
from apps.datasets.reading.dialect import Dialect
from apps.datasets.reading.tabular import Chunk, Unpacked

BLOCK_BYTES: Final = 24 << 20


def open_csv(path: Path, filename: str, choices: Mapping[str, str]) -> TextSource:  # noqa: ARG001 - as all openers
    """The file as a ``Tabular``; raises ``Unreadable`` for an unclear encoding, or where no header is found."""
    with path.open("rb") as stream:
        head = stream.read(BLOCK_BYTES)
        whole = len(head) < BLOCK_BYTES
    block = head if whole else head[: _cut(head)]
    decoded = text.decode(block, choices.get("encoding"))
    found = dialect.sniff(decoded.data, choices.get("delimiter"))
    said = decoded.said + found.said
    if decoded.encoding == "utf-8":
        marked = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
        return TextSource(path, marked, found, said)
    return TextSource(_as_utf8(path, decoded.encoding), 0, found, said)


class TextSource:
    """UTF-8 text whose first line of names and separator are known."""

    def __init__(self, file: Path | Unpacked, start: int, found: Dialect, said: tuple[str, ...]) -> None:
        self._file, self._start, self._dialect = file, start, found
        self.columns, self.said, self.first_row = found.header, said, found.header_row

    def chunks(self) -> Iterator[Chunk]:
        """Block after block; raises ``Unreadable`` with the row where one is at fault, or when there are no rows."""
        line, seen = 0, False
        for number, raw in enumerate(self._blocks()):
            block = text.plain(raw, line + 1)
            body = self._dialect if number == 0 else self._dialect.body(line + 1)
            strings = table.read_strings(block, body)
            if strings.frame.height:
                seen = True
                yield Chunk(strings.frame, strings.row_numbers())
            line += block.count(b"\n")
        if not seen:
            raise refuse(
                "no_rows",
                "The file has a header but no rows.",
                "Export the data again with its rows: one line per series and time.",
                rows=(self._dialect.header_row,),
            )

    def _blocks(self) -> Iterator[bytes]:
        path = self._file if isinstance(self._file, Path) else self._file.path
        with path.open("rb") as stream:
            stream.seek(self._start)
            yield from _pieces(stream)


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    rest = b""
    while piece := stream.read(BLOCK_BYTES):
        rest += piece
        if len(piece) < BLOCK_BYTES:
            continue
        if end := _cut(rest):
            yield rest[:end]
            rest = rest[end:]
        elif b'"' not in rest:
            raise refuse(
                "line_too_long",
                f"A line is longer than {4 * BLOCK_BYTES >> 20} MB, which no line of a table is.",
                "Check that the file has line ends, and that it is a table.",
            )
        elif len(rest) > 4 * BLOCK_BYTES:
            raise refuse(
                "broken_quotes",
                "A quotation mark is not closed: what follows it is one field to the end of the file.",
                'Double each quotation mark inside a quoted field ("") and close each field.',
            )
    if rest:
        yield rest


def _cut(data: bytes) -> int:
    """Where the last line ends that is outside quotation marks; 0 where there is none."""
    end = data.rfind(b"\n") + 1
    if b'"' not in data:
        return end
    while end and data.count(b'"', 0, end) % 2:
        end = data.rfind(b"\n", 0, end - 1) + 1
    return end


def _as_utf8(path: Path, encoding: str) -> Unpacked:
    """The file's text as a temporary file in UTF-8, without a byte-order mark; raises ``Unreadable`` with the row."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    out = Unpacked()
    line, first = 1, True
    with path.open("rb") as stream:
        while True:
            piece = stream.read(BLOCK_BYTES)
            try:
                part = decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                row = line + piece[: error.start].count(b"\n")
                raise refuse(
                    "broken_encoding",
                    f"Row {row} is not valid {text.LABELS[encoding]}.",
                    "Save the file as UTF-8.",
                    rows=(row,),
                ) from error
            out.file.write((part.removeprefix("\ufeff") if first else part).encode())
            line, first = line + part.count("\n"), False
            if not piece:
                out.file.flush()
                return out
