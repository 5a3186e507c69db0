"""What Parquet files say of themselves that no library tells in time: how many columns, what each page unpacks to.

They are structs of Thrift's compact protocol: https://github.com/apache/parquet-format (parquet.thrift).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_STOP = 0
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_UNPACKED, _PACKED = 2, 3
_SCHEMA = 2
HEAD_BYTES = 4 << 10
MAX_HEAD_BYTES = 1 << 20
MAX_LEVELS = 8
MAX_ITEMS = 10_000


class BrokenPage(ValueError):
    """What stands where a page should begin is none."""


@dataclass(frozen=True, slots=True)
class Page:
    """``head`` bytes of header, then ``packed`` bytes that become ``unpacked``."""

    head: int
    packed: int
    unpacked: int


def column_count(footer: bytes) -> int:
    """How many columns a footer lists, told without reading the list; raises ``BrokenPage``.

    Its struct (FileMetaData) has the schema as field 2: the root, then each column.
    """
    try:
        return _Reader(footer).length_of(_SCHEMA) - 1
    except IndexError as error:
        raise BrokenPage("the footer ends too early") from error


def pages(file: BinaryIO, start: int, length: int) -> Iterator[Page]:
    """The pages of the column chunk of ``length`` bytes at ``start``; raises ``BrokenPage``."""
    place, end = start, start + length
    while place < end:
        page = _page(file, place)
        yield page
        place += page.head + page.packed


def _page(file: BinaryIO, place: int) -> Page:
    """A header is short unless it holds long statistics: then it is read again with more room."""
    for size in (HEAD_BYTES, MAX_HEAD_BYTES):
        file.seek(place)
        reader = _Reader(file.read(size))
        try:
            numbers = reader.numbers()
        except IndexError:
            continue
        packed, unpacked = numbers.get(_PACKED, -1), numbers.get(_UNPACKED, -1)
        if packed < 0 or unpacked < 0:
            raise BrokenPage("a page has no size")
        return Page(reader.place, packed, unpacked)
    raise BrokenPage("a page's header does not end")


class _Reader:
    """Reads one struct; ``IndexError`` where the data ends before it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def numbers(self) -> dict[int, int]:
        """The struct's whole numbers by the position of their field; everything else is passed over."""
        found = {}
        for position, kind in self._fields():
            if kind in (_I16, _I32, _I64):
                value = self._varint()
                found[position] = value >> 1 ^ -(value & 1)
            else:
                self._skip(kind, MAX_LEVELS)
        return found

    def length_of(self, wanted: int) -> int:
        """The length of the list in that field."""
        for position, kind in self._fields():
            if position == wanted and kind == _LIST:
                return self._length()[0]
            self._skip(kind, MAX_LEVELS)
        raise BrokenPage("a list is missing")

    def _length(self) -> tuple[int, int]:
        head = self._byte()
        return (head >> 4 if head >> 4 < 15 else self._varint()), head & 0x0F

    def _fields(self) -> Iterator[tuple[int, int]]:
        position = 0
        while (head := self._byte()) != _STOP:
            step, kind = head >> 4, head & 0x0F
            if step == 0:
                value = self._varint()
                position = value >> 1 ^ -(value & 1)
            else:
                position += step
            yield position, kind

    def _byte(self) -> int:
        value = self.data[self.place]
        self.place += 1
        return value

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise BrokenPage("a number does not end")

    def _skip(self, kind: int, levels: int) -> None:
        if levels == 0:
            raise BrokenPage("a header is nested too deep")
        if kind in (_I16, _I32, _I64):
            self._varint()
        elif kind == _BINARY:
            length = self._varint()
            self.place += length
        elif kind in (_LIST, _SET):
            self._skip_list(levels)
        elif kind == _STRUCT:
            for _, inner in self._fields():
                self._skip(inner, levels - 1)
        elif kind in (_BYTE, _DOUBLE):
            self.place += 1 if kind == _BYTE else 8
        elif kind not in (_TRUE, _FALSE):
            raise BrokenPage("a header holds what no header does")

    def _skip_list(self, levels: int) -> None:
        count, kind = self._length()
        if count > MAX_ITEMS:
            raise BrokenPage("a list in a header does not end")
        for _ in range(count):
            self._skip(kind, levels - 1)
