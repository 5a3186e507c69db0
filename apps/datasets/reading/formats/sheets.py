"""What a workbook's XML says that its reader does not: merged cells and cells that hold errors."""

from __future__ import annotations

import html
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from apps.datasets.reading.contracts import refuse
from apps.datasets.reading.formats.zipped import unpacked

OVERLAP = 512
HEAD = 1 << 16
MAX_MERGES = 100_000
_SHEET = re.compile(r"<(?:\w+:)?sheet\s([^>]*)>")
_RELATION = re.compile(r"<Relationship\s([^>]*)>")
_ATTRIBUTE = re.compile(r'([\w:]+)\s*=\s*"([^"]*)"')
_ERROR = re.compile(rb'<c r="([A-Z]{1,3})(\d{1,7})"[^>]*\st="e"')
_MERGE = re.compile(rb'<mergeCell ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"')
_FAR_CELL = re.compile(rb'<c r="([A-Z]{3}\d{1,7})"[^>]*(?<!/)>')
_DECLARED = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Merge:
    """Cells merged into one; columns count from 0, rows as Excel's."""

    column: int
    first_row: int
    last_column: int
    last_row: int


@dataclass
class SheetNotes:
    """Of one sheet: its merged cells, how many cells hold errors, and the first of them, such as ``C7``."""

    merges: list[Merge] = field(default_factory=list)
    errors: int = 0
    first_error: str = ""


def examine(path: Path, members: list[zipfile.ZipInfo]) -> dict[str, SheetNotes]:
    """Unpack each member once, into nothing but notes by the name of the member; raises ``Unreadable`` for traps."""
    notes = {}
    for member in members:
        found = SheetNotes()
        for block, start in _overlapping(unpacked(path, member)):
            if start == 0:
                _refuse_entities(block[:HEAD], member.filename)
            if member.filename.startswith("xl/worksheets/"):
                _note(found, block, start)
        notes[member.filename] = found
    return notes


def sheet_members(path: Path, members: list[zipfile.ZipInfo]) -> dict[str, str]:
    """Names of an xlsx's sheets and the members that hold them; empty for other workbooks."""
    named = {member.filename: member for member in members}
    if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= named.keys():
        return {}
    book, relations = (
        b"".join(unpacked(path, named[name])).decode("utf-8", "replace")
        for name in ("xl/workbook.xml", "xl/_rels/workbook.xml.rels")
    )
    targets = {each.get("Id", ""): each.get("Target", "") for each in _attributes(_RELATION, relations)}
    return {
        html.unescape(each["name"]): _member_name(targets.get(each.get("r:id", ""), ""))
        for each in _attributes(_SHEET, book)
        if "name" in each
    }


def column_of(letters: str) -> int:
    """The position, from 0, of a column that Excel calls by ``letters``."""
    position = 0
    for letter in letters:
        position = position * 26 + ord(letter) - 64
    return position - 1


def _attributes(element: re.Pattern[str], text: str) -> Iterator[dict[str, str]]:
    for match in element.finditer(text):
        yield dict(_ATTRIBUTE.findall(match[1]))


def _member_name(target: str) -> str:
    return target.lstrip("/") if target.startswith("/") else str(PurePosixPath("xl") / target)


def _overlapping(blocks: Iterator[bytes]) -> Iterator[tuple[bytes, int]]:
    """Each block behind the end of the one before; and where the new part begins (0 in the first alone)."""
    tail = b""
    for block in blocks:
        if block:
            yield tail + block, len(tail)
            tail = (tail + block)[-OVERLAP:]


def _note(notes: SheetNotes, block: bytes, start: int) -> None:
    """Take note of what ends behind ``start``, where the new part of ``block`` begins."""
    if far := _FAR_CELL.search(block):
        raise refuse(
            "too_many_columns",
            f"The sheet has a cell {far[1].decode()}, far to the right of any table.",
            "Delete what stands right of the table, and save the workbook.",
        )
    for match in _ERROR.finditer(block) if b't="e"' in block else ():
        if match.end() > start:
            notes.errors += 1
            notes.first_error = notes.first_error or (match[1] + match[2]).decode()
    for match in _MERGE.finditer(block) if b"<mergeCell " in block else ():
        if match.end() > start and len(notes.merges) < MAX_MERGES:
            letters, row, last_letters, last_row = (each.decode() for each in match.groups())
            notes.merges.append(Merge(column_of(letters), int(row), column_of(last_letters), int(last_row)))


def _refuse_entities(head: bytes, name: str) -> None:
    if name.endswith((".xml", ".rels")) and _DECLARED.search(head):
        raise refuse(
            "xml_entities",
            f"The workbook's “{name}” declares XML entities, which no spreadsheet does.",
            "Save the workbook again in Excel or LibreOffice.",
        )
