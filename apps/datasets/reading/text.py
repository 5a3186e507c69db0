"""Bytes -> UTF-8 text with ``\n`` line ends; the encoding is detected and said, never guessed silently."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from apps.datasets.reading.contracts import Option, Question, Unreadable, refuse, shorten

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
LABELS = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32-le": "UTF-32",
    "utf-32-be": "UTF-32",
    "cp1252": "Windows-1252 (Western European, includes Latin-1)",
    "cp1250": "Windows-1250 (Central European)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "iso8859-1": "ISO 8859-1 (Latin-1)",
    "mac-roman": "Mac Roman",
}
SINGLE_BYTE = ("cp1252", "cp1250", "cp1251", "iso8859-1", "mac-roman")
_FOREIGN = re.compile("[^\x00-\x7f]")
# Bounded: a long line must not cost its square.
_WORD = re.compile(r"[^\s,;|\t\"]{0,40}[^\x00-\x7f][^\s,;|\t\"]{0,40}")
_WESTERN = re.compile("[\x20-\x7eÀ-ÖØ-öø-ÿŠšŽžŒœŸ€£§°²³µ·–—‘’“”„…«»®©™¿¡ºª½¼¾±×÷\xa0]*")
_ODD = re.compile("[A-Za-zÀ-ÿ][£§°²³µ¹¿¡¼½¾±×÷¢¥¦¬¶]|[£¹¿¡¼½¾×÷¢¥¦¬¶][a-zà-ÿ]")


@dataclass(frozen=True, slots=True)
class Text:
    """A file's text as UTF-8 bytes: no byte-order mark, lines ended by ``\\n``."""

    data: bytes
    encoding: str
    said: tuple[str, ...]


def decode(raw: bytes, encoding: str | None = None) -> Text:
    """Read ``raw`` as text, in ``encoding`` when the user has chosen one.

    Raises ``Unreadable`` for an empty file, another kind of file, broken text, or an unclear encoding.
    """
    body, name = _without_mark(raw)
    name = encoding or name or _detect(body)
    data, said = _to_utf8(body, name)
    _refuse_nul(data, 1)
    if not data.strip():
        raise refuse(
            "empty_file",
            "The file is empty.",
            "Export the data again: a header line, then one line per observation.",
        )
    return Text(_unix_lines(data), name, said)


def _without_mark(raw: bytes) -> tuple[bytes, str | None]:
    for mark, name in BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            return raw[len(mark) :], name
    return raw, None


def _detect(body: bytes) -> str:
    head = body[:4096]
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) > len(head) / 5 and min(even, odd) < len(head) / 20:
        return "utf-16-le" if odd > even else "utf-16-be"
    try:
        codecs.utf_8_decode(body, "strict", True)
    except UnicodeDecodeError as error:
        return _single_byte(body, error.start)
    return "utf-8"


def _single_byte(body: bytes, position: int) -> str:
    if b"\x00" in body:
        return "iso8859-1"  # no text at all: ``decode`` names the row of the NUL
    if any(byte > 0x7F for byte in body[max(0, position - 100_000) : position]):
        row = body[:position].count(b"\n") + 1
        raise refuse(
            "mixed_encoding",
            f"Row {row} holds bytes that are not UTF-8, though earlier rows are UTF-8.",
            "Save the whole file as UTF-8 (in Excel: “CSV UTF-8”).",
            rows=(row,),
        )
    words = _foreign_words(body, position, "cp1252")
    if words and _looks_western(words):
        return "cp1252"
    raise Unreadable(questions=(_encoding_question(body, position),))


def _foreign_words(body: bytes, position: int, encoding: str) -> list[str]:
    start = body.rfind(b"\n", 0, position) + 1
    text = body[start : start + 200_000].decode(encoding, errors="replace")
    return list(dict.fromkeys(_WORD.findall(text)))[:200]


def _looks_western(words: list[str]) -> bool:
    """Whether words decoded as Windows-1252 read like words: known letters, no sign inside, some ASCII."""
    if not all(_WESTERN.fullmatch(word) and not _ODD.search(word) for word in words):
        return False
    letters = [character for word in words for character in word if character.isalpha()]
    foreign = sum(1 for character in letters if ord(character) > 0x7F)
    return foreign <= len(letters) * 2 / 3


def _encoding_question(body: bytes, position: int) -> Question:
    row = body[:position].count(b"\n") + 1
    options = []
    for name in SINGLE_BYTE:
        words = _foreign_words(body, position, name)
        options.append(Option(name, LABELS[name], shorten(", ".join(words[:3]))))
    return Question(
        key="encoding",
        code="encoding_unclear",
        message=f"The file is not UTF-8 (first seen in row {row}). In which encoding is it? "
        "Choose the one that reads right.",
        options=tuple(options),
        rows=(row,),
    )


def _to_utf8(body: bytes, name: str) -> tuple[bytes, tuple[str, ...]]:
    if name == "utf-8":
        return _checked_utf8(body), ()
    if name not in LABELS:
        raise refuse(
            "unknown_encoding",
            f"The encoding {shorten(name)!r} is not known.",
            f"Use one of {', '.join(LABELS)}.",
        )
    try:
        text = body.decode(name)
    except UnicodeDecodeError as error:
        row = body[: error.start].count(b"\n") + 1
        raise refuse(
            "broken_encoding",
            f"Row {row} is not valid {LABELS[name]}.",
            "Save the file as UTF-8.",
            rows=(row,),
        ) from error
    example = _example(text)
    return text.removeprefix("\ufeff").encode(), (f"The text was read as {LABELS[name]}{example}.",)


def _example(text: str) -> str:
    """A word of the text by which a person can tell that the encoding is right, as part of a sentence."""
    first = _FOREIGN.search(text)
    if first is None:
        return ""
    word = _WORD.search(text, max(0, first.start() - 40), first.start() + 40)
    return f", for example “{shorten(word[0])}”" if word else ""


def _checked_utf8(body: bytes) -> bytes:
    try:
        codecs.utf_8_decode(body, "strict", True)
    except UnicodeDecodeError as error:
        row = body[: error.start].count(b"\n") + 1
        raise refuse(
            "broken_encoding", f"Row {row} is not valid UTF-8.", "Save the file as UTF-8.", rows=(row,)
        ) from error
    return body


def _unix_lines(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data


def plain(raw: bytes, line: int) -> bytes:
    """A piece of UTF-8 text that begins at ``line``, with ``\\n`` line ends; raises ``Unreadable`` with the row."""
    try:
        codecs.utf_8_decode(raw, "strict", True)
    except UnicodeDecodeError as error:
        row = line + raw[: error.start].count(b"\n")
        raise refuse(
            "broken_encoding", f"Row {row} is not valid UTF-8.", "Save the file as UTF-8.", rows=(row,)
        ) from error
    _refuse_nul(raw, line)
    return _unix_lines(raw)


def _refuse_nul(data: bytes, line: int) -> None:
    if b"\x00" in data:
        row = line + data[: data.index(b"\x00")].count(b"\n")
        raise refuse(
            "binary",
            f"Row {row} holds a NUL byte, which text does not.",
            "Save the data as CSV text.",
            rows=(row,),
        )
