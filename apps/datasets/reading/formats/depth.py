"""How deep JSON is nested, found out before any parser descends into it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from apps.datasets.reading.contracts import refuse

# Tables need three levels; deeper ones are let through so that the message can name their row and column.
MAX_DEPTH = 32
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_KEPT = b'"[]{}'
_DROPPED = bytes(code for code in range(256) if code not in _KEPT)
_PAIRS = ((b"{}", b""), (b"[]", b""))


@dataclass
class DepthGauge:
    """Takes UTF-8 text block by block; raises ``Unreadable`` as soon as more than ``MAX_DEPTH`` levels are open.

    Each block shrinks to its quotes and brackets, and what closes again within a block is taken out level by level:
    that costs a few passes in C over ever shorter bytes.
    """

    open: bytes = b""
    ending: bytes = b""

    def see(self, block: bytes) -> None:
        """Take a block into account."""
        rest = self._unescaped(block).translate(None, _DROPPED)
        rest = self._outside_of_texts(self.open + rest)
        for _ in range(MAX_DEPTH):
            shorter = _without_pairs(rest)
            if shorter == rest:
                break
            rest = shorter
        if len(rest.rstrip(b'"')) > 2 * MAX_DEPTH or _without_pairs(rest) != rest:
            raise refuse(
                "too_deep",
                f"The JSON is nested deeper than {MAX_DEPTH} levels.",
                "Send a flat table: an array of objects such as "
                '[{"unique_id": "a", "ds": "2024-01-31", "y": 1.5}].',
            )
        self.open = rest

    def _unescaped(self, block: bytes) -> bytes:
        """The block without escaped characters; a backslash at its end waits for the next."""
        block = self.ending + block
        if b"\\" not in block:
            self.ending = b""
            return block
        shorter = _ESCAPED.sub(b"", block)
        self.ending = b"\\" if shorter.endswith(b"\\") else b""
        return shorter.removesuffix(b"\\")

    @staticmethod
    def _outside_of_texts(marks: bytes) -> bytes:
        """The brackets that stand outside of texts; an unfinished text is kept as one quote at the end."""
        parts = marks.replace(b'""', b"").split(b'"')
        unfinished = b'"' if len(parts) % 2 == 0 else b""
        return b"".join(parts[::2]) + unfinished


def _without_pairs(marks: bytes) -> bytes:
    for pair, nothing in _PAIRS:
        marks = marks.replace(pair, nothing)
    return marks
