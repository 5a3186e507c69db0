"""The text of a JSON file, block by block, and a cursor that reads one value after another from it."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from apps.datasets.reading.contracts import Unreadable, refuse, shorten
from apps.datasets.reading.formats.depth import DepthGauge
from apps.datasets.reading.formats.records import DECODER

BLOCK_BYTES = 1 << 20
_SPACE = re.compile(r"[ \t\r\n]*")
_ARRAY = re.compile(r"\[[ \t\r\n]*(.?)", re.DOTALL)
_NEAR = 60
FLAT = 'Send an array of objects such as [{"unique_id": "a", "ds": "2024-01-31", "y": 1.5}].'


def encoding_of(path: Path) -> str:
    """UTF-8, as JSON should be, or UTF-16 or UTF-32 where the first bytes say so."""
    with path.open("rb") as file:
        head = file.read(4)
    for mark, name in ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32")):
        if head.startswith(mark):
            return name
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(head) >= 2 and head[:2].count(0) == 1:
        return "utf-16-be" if head[0] == 0 else "utf-16-le"
    return "utf-8-sig"


def text_blocks(path: Path) -> Iterator[str]:
    """The file's text; raises ``Unreadable`` where it is no text, or nested too deep to be descended into."""
    encoding, gauge = encoding_of(path), DepthGauge()
    decoder = codecs.getincrementaldecoder(encoding)()
    done = 0
    with path.open("rb") as file:
        while True:
            block = file.read(BLOCK_BYTES)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                raise refuse(
                    "broken_encoding",
                    f"The byte {done + error.start + 1:,} of the file is no {encoding.upper().removesuffix('-SIG')} text.",
                    "Save the JSON as UTF-8.",
                ) from error
            gauge.see(block if encoding == "utf-8-sig" else text.encode("utf-8", "surrogatepass"))
            done += len(block)
            if text:
                yield text
            if not block:
                return


class Cursor:
    """A place in JSON text of any length, of which only what is being read is in memory."""

    def __init__(self, path: Path) -> None:
        self._blocks = text_blocks(path)
        self._text = ""
        self._position = 0
        self._finished = False
        self._dropped = 0

    @property
    def read(self) -> int:
        """How many characters lie behind."""
        return self._dropped + self._position

    def has_another_line(self, limit: int) -> bool:
        """Whether more than space stands behind the line here; its first ``limit`` characters are looked at."""
        while True:
            line, _, rest = self._text[self._position :].partition("\n")
            if rest.strip() or (len(line) > limit and not rest):
                return bool(rest.strip())
            if not self._read_on():
                return False

    def peek(self) -> str:
        """The next character that is no space, "" at the end; the cursor stands on it."""
        while True:
            match = _SPACE.match(self._text, self._position)
            assert match is not None
            self._position = match.end()
            if self._position < len(self._text):
                return self._text[self._position]
            if not self._read_on():
                return ""

    def take(self) -> str:
        """The next character that is no space; the cursor moves behind it."""
        found = self.peek()
        self._position += len(found)
        return found

    def value(self, limit: int, what: str) -> Any:
        """The value here, of at most ``limit`` characters; ``what`` it is called in messages."""
        self.peek()
        while True:
            try:
                value, end = DECODER.scan_once(self._text, self._position)  # type: ignore[attr-defined]
            except RecursionError as error:
                raise refuse("too_deep", f"{what} is nested too deep.", FLAT) from error
            except (StopIteration, ValueError) as error:
                if self._waiting() > limit:
                    raise self._too_long(what, limit) from error
                if not self._read_on():
                    raise self.broken(what, error) from error
            else:
                # A number that ends with the text may go on in the next block.
                if end < len(self._text) or not self._read_on():
                    self._position = end
                    return value

    def keys(self, what: str, limit: int) -> Iterator[str]:
        """The keys of the object here; whoever gets one reads its value before asking for the next."""
        if self.peek() != "{":
            raise self.broken(what)
        self.take()
        if self.peek() == "}":
            self.take()
            return
        while True:
            name = self.value(limit, "a key")
            if not isinstance(name, str) or self.take() != ":":
                raise self.broken(what)
            yield name
            if self._ends("}", what):
                return

    def elements(self, what: str, limit: int) -> Iterator[Any]:
        """The elements of the array here, each of at most ``limit`` characters; ``what`` one is called."""
        self.take()
        if self.peek() == "]":
            self.take()
            return
        number = 1
        while True:
            yield self.value(limit, f"{what} {number:,}")
            if self._ends("]", f"{what} {number + 1:,}"):
                return
            number += 1

    def _ends(self, bracket: str, what: str) -> bool:
        mark = self.take()
        if mark not in (",", bracket) or not mark:
            self._position -= len(mark)
            raise self.broken(what)
        return mark == bracket

    def opens_records(self) -> bool:
        """Whether an array of objects, or an empty one, begins here."""
        self.peek()
        while True:
            match = _ARRAY.match(self._text, self._position)
            if match is None or match[1]:
                return match is not None and match[1] in "{]"
            if not self._read_on():
                return False

    def end(self) -> None:
        """Raise ``Unreadable`` if something follows."""
        if self.peek():
            raise self.broken("what follows the end")

    def broken(self, what: str, error: Exception | None = None) -> Unreadable:
        """The refusal of the text at this place."""
        ends_early = self._finished and (not self._text[self._position :] or _is_cut(error, self._text))
        if ends_early:
            return refuse(
                "truncated", f"The JSON is cut off: it ends within {what}.", "Upload the whole file again."
            )
        place = self._position if not isinstance(error, json.JSONDecodeError) else error.pos
        near = shorten(self._text[place : place + _NEAR])
        return refuse(
            "not_json",
            f"{what[0].upper()}{what[1:]} is no valid JSON{f', near “{near}”' if near else ''}.",
            "Mend the file, or write it with a program that writes JSON.",
            value=near or None,
        )

    def _too_long(self, what: str, limit: int) -> Unreadable:
        return refuse(
            "record_too_long", f"{what[0].upper()}{what[1:]} has more than {limit:,} characters.", FLAT
        )

    def _waiting(self) -> int:
        return len(self._text) - self._position

    def _read_on(self) -> bool:
        """Read as much again as waits to be understood, so that a long value is not read over and over."""
        pieces, wanted = [], max(1, self._waiting())
        while wanted > 0 and (block := next(self._blocks, None)) is not None:
            pieces.append(block)
            wanted -= len(block)
        self._finished = not pieces
        if pieces:
            self._text = self._text[self._position :] + "".join(pieces)
            self._dropped += self._position
            self._position = 0
        return not self._finished


def _is_cut(error: Exception | None, text: str) -> bool:
    """Whether the parser ran into the end: at the very end, or within a text that is not closed."""
    if isinstance(error, json.JSONDecodeError):
        return error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
    return isinstance(error, StopIteration) and error.value >= len(text.rstrip())
