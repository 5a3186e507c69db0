"""Parquet files written byte by byte, so that each part can say what no honest writer would."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12
DOUBLE, BYTE_ARRAY = 5, 6
REQUIRED = 0
PLAIN, RLE, RLE_DICTIONARY = 0, 3, 8
DATA_PAGE, DICTIONARY_PAGE = 0, 2
ZSTD = 6
UTF8 = 0

Field = tuple[int, int, bytes]


@dataclass(frozen=True, slots=True)
class Chunk:
    """What the footer says of one column: all of it may be untrue."""

    name: str
    type: int
    rows: int
    unpacked: int
    packed: int
    offset: int
    dictionary: int | None = None
    codec: int = 0


def varint(value: int) -> bytes:
    """An unsigned number in Thrift's compact protocol."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(position: int, value: int, kind: int = I32) -> Field:
    """A numeric field."""
    return position, kind, varint(value << 1 if value >= 0 else (-value << 1) - 1)


def text(position: int, value: str) -> Field:
    """A text field."""
    return position, BINARY, varint(len(value)) + value.encode()


def nested(position: int, value: bytes) -> Field:
    """A field that holds a struct."""
    return position, STRUCT, value


def many(position: int, kind: int, items: Sequence[bytes], said: int | None = None) -> Field:
    """A list; ``said`` is the length that it claims, if that is another than it has."""
    count = len(items) if said is None else said
    head = bytes([count << 4 | kind]) if count < 15 else bytes([0xF0 | kind]) + varint(count)
    return position, LIST, head + b"".join(items)


def compact(*fields: Field) -> bytes:
    """A struct; ``fields`` ascend by their position."""
    out, last = bytearray(), 0
    for position, kind, value in fields:
        out += bytes([(position - last) << 4 | kind]) + value
        last = position
    return bytes(out) + b"\x00"


def schema(columns: Sequence[tuple[str, int]]) -> list[bytes]:
    """The root and one required leaf a column."""
    root = compact(text(4, "schema"), number(5, len(columns)))
    leaves = []
    for name, kind in columns:
        logical = [number(6, UTF8)] if kind == BYTE_ARRAY else []
        leaves.append(compact(number(1, kind), number(3, REQUIRED), text(4, name), *logical))
    return [root, *leaves]


def column_chunk(chunk: Chunk) -> bytes:
    """A column chunk of the footer."""
    encodings = [varint(each << 1) for each in (PLAIN, RLE, RLE_DICTIONARY)]
    fields = [
        number(1, chunk.type),
        many(2, I32, encodings),
        many(3, BINARY, [varint(len(chunk.name)) + chunk.name.encode()]),
        number(4, chunk.codec),
        number(5, chunk.rows, I64),
        number(6, chunk.unpacked, I64),
        number(7, chunk.packed, I64),
        number(9, chunk.offset, I64),
    ]
    if chunk.dictionary is not None:
        fields.append(number(11, chunk.dictionary, I64))
    return compact(number(2, chunk.offset, I64), nested(3, compact(*fields)))


def footer(chunks: Sequence[Chunk], rows: int, group_rows: int | None = None) -> bytes:
    """Metadata of one row group, its length and the mark at the end."""
    size = sum(chunk.unpacked for chunk in chunks)
    columns = [column_chunk(chunk) for chunk in chunks]
    group_rows = rows if group_rows is None else group_rows
    group = compact(many(1, STRUCT, columns), number(2, size, I64), number(3, group_rows, I64))
    names = [(chunk.name, chunk.type) for chunk in chunks]
    meta = compact(
        number(1, 2), many(2, STRUCT, schema(names)), number(3, rows, I64), many(4, STRUCT, [group])
    )
    return meta + struct.pack("<I", len(meta)) + b"PAR1"


def data_page(body: bytes, rows: int, encoding: int = PLAIN, unpacked: int | None = None) -> bytes:
    """A data page; ``unpacked``: the size that its header claims."""
    size = len(body) if unpacked is None else unpacked
    head = compact(number(1, rows), number(2, encoding), number(3, RLE), number(4, RLE))
    return compact(number(1, DATA_PAGE), number(2, size), number(3, len(body)), nested(5, head)) + body


def dictionary_page(body: bytes, values: int) -> bytes:
    """A dictionary page of plain values."""
    head = compact(number(1, values), number(2, PLAIN))
    return (
        compact(number(1, DICTIONARY_PAGE), number(2, len(body)), number(3, len(body)), nested(7, head))
        + body
    )


def four_gigabytes() -> bytes:
    """Some 300 bytes whose footer and page ask for 4 GB."""
    page = data_page(b"\x00" * 8, 2**29, unpacked=2**31 - 1)
    chunks = [Chunk(name, DOUBLE, 2**29, 4 << 30, len(page), 4) for name in ("ds", "y")]
    return b"PAR1" + page + footer(chunks, 2**29)


def lying_page() -> bytes:
    """A modest footer over a page that claims 2 GB."""
    page = data_page(b"\x00" * 8, 1, unpacked=2**31 - 1)
    chunks = [Chunk(name, DOUBLE, 1, len(page), len(page), 4) for name in ("ds", "y")]
    return b"PAR1" + page + footer(chunks, 1)


def packed_page(body: bytes, size: int) -> bytes:
    """A page whose ``body`` zstd unpacks to ``size`` bytes, under a footer that claims no more than it has packed."""
    page = data_page(body, size // 8, unpacked=size)
    chunks = [Chunk(name, DOUBLE, 1_000_000, len(page), len(page), 4, codec=ZSTD) for name in ("ds", "y")]
    return b"PAR1" + page + footer(chunks, 1_000_000)


def absurd_rows() -> bytes:
    """A few bytes that claim a million million rows."""
    page = data_page(b"\x00" * 8, 1)
    chunks = [Chunk(name, DOUBLE, 10**12, len(page), len(page), 4) for name in ("ds", "y")]
    return b"PAR1" + page + footer(chunks, 10**12)


def negative_rows() -> bytes:
    """Fewer rows than none."""
    page = data_page(b"\x00" * 8, 1)
    chunks = [Chunk(name, DOUBLE, -5, len(page), len(page), 4) for name in ("ds", "y")]
    return b"PAR1" + page + footer(chunks, -5)


def forty_two(rows: int, length: int = 1 << 20) -> bytes:
    """One text of ``length`` bytes in a dictionary, and a run that repeats it ``rows`` times: small, and endless."""
    body = struct.pack("<I", length) + b"a" * length
    words = dictionary_page(body, 1)
    page = data_page(b"\x01" + varint(rows << 1) + b"\x00", rows, RLE_DICTIONARY)
    size = len(words) + len(page)
    chunks = [Chunk(name, BYTE_ARRAY, rows, size, size, 4 + len(words), 4) for name in ("ds", "y")]
    return b"PAR1" + words + page + footer(chunks, rows)


def columns_without_end(count: int) -> bytes:
    """A footer of ``count`` columns."""
    page = data_page(b"\x00" * 8, 1)
    chunks = [Chunk(f"c{position}", DOUBLE, 1, len(page), len(page), 4) for position in range(count)]
    return b"PAR1" + page + footer(chunks, 1)


def list_without_end() -> bytes:
    """A footer whose list of columns claims two thousand million members and has none."""
    meta = compact(number(1, 2), many(2, STRUCT, [], said=2**31 - 1))
    return b"PAR1" + meta + struct.pack("<I", len(meta)) + b"PAR1"
