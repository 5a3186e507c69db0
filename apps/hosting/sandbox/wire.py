"""Protocol buffers as they stand on the wire, read without the schema's generated code.

A model of ONNX is looked through with this before onnxruntime sees it. Every occurrence of a field is told, also where a
reader would take the last one only, so nothing can stand behind what was looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from apps.hosting.sandbox.faults import Fault

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED: Final = {FIXED64: 8, FIXED32: 4}


class Message:
    """The fields of one message: numbers, and bytes that may be texts or messages in turn."""

    def __init__(self, data: memoryview) -> None:
        self.numbers: dict[int, list[int]] = defaultdict(list)
        self.parts: dict[int, list[memoryview]] = defaultdict(list)
        for field, value in _fields(data):
            if isinstance(value, int):
                self.numbers[field].append(value)
            else:
                self.parts[field].append(value)

    def messages(self, field: int) -> Iterator[Message]:
        """The messages in ``field``."""
        return (Message(part) for part in self.parts.get(field, []))

    def text(self, field: int) -> str:
        """The last text of ``field``, '' where there is none."""
        return bytes((self.parts.get(field) or [memoryview(b"")])[-1]).decode("utf-8", "replace")

    def whole(self, field: int) -> list[int]:
        """All whole numbers of ``field``, packed or not."""
        packed = [number for part in self.parts.get(field, []) for number in _varints(part)]
        return [signed(number) for number in [*self.numbers.get(field, []), *packed]]


def signed(number: int) -> int:
    """A varint as int64."""
    return number - (1 << 64) if number >= 1 << 63 else number


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        field, kind = key >> 3, key & 7
        if field == 0:
            raise _damaged()
        if kind == VARINT:
            number, at = _varint(data, at)
            yield field, number
            continue
        if kind == BYTES:
            length, at = _varint(data, at)
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            raise _damaged()
        if at + length > len(data):
            raise _damaged()
        yield field, data[at : at + length]
        at += length


def _varints(data: memoryview) -> Iterator[int]:
    at = 0
    while at < len(data):
        number, at = _varint(data, at)
        yield number


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise _damaged()
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number & ((1 << 64) - 1), at
    raise _damaged()


def _damaged() -> Fault:
    return Fault("damaged", "The file is no whole ONNX model: it breaks off, or is damaged. Export it again.")
