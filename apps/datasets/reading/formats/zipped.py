"""Workbooks are zip archives: nothing in them is parsed before their members are known to be what they claim."""

from __future__ import annotations

import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from apps.datasets.reading.contracts import refuse, shorten
from apps.datasets.reading.formats.bombs import allowed_bytes, bomb

MAX_MEMBERS = 2_000
MAX_DIRECTORY_BYTES = 1 << 20
BLOCK = 1 << 20
DEFLATE = 8
_END = b"PK\x05\x06"
_LOCAL = struct.Struct("<26xHH")
_DRIVE = re.compile(r"[A-Za-z]:")
_AGAIN = "Save the workbook again in Excel or LibreOffice, or upload the data as CSV."


def check_archive(path: Path) -> list[zipfile.ZipInfo]:
    """The members of the archive at ``path``; raises ``Unreadable`` for a bomb, a trap or a broken archive.

    Sizes are not believed: each member is unpacked once, into nothing, and may give no byte more than it claims.
    """
    _check_end(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeDecodeError) as error:
        raise _broken(str(error)) from error
    for member in members:
        _check_member(member)
    _refuse_overlaps(members)
    size = path.stat().st_size
    if sum(member.file_size for member in members) > (allowed := allowed_bytes(size)):
        raise bomb("The workbook", size, allowed)
    return members


def unpacked(path: Path, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """The member's bytes in blocks; raises ``Unreadable`` as soon as they are more than it claims."""
    with path.open("rb") as file:
        file.seek(member.header_offset)
        header = file.read(_LOCAL.size)
        if len(header) < _LOCAL.size or not header.startswith(b"PK\x03\x04"):
            raise _broken(f"“{shorten(member.filename)}” is not where the directory says")
        file.seek(sum(_LOCAL.unpack(header)), os.SEEK_CUR)
        given = 0
        for block in (
            _stored(file, member) if member.compress_type == zipfile.ZIP_STORED else _inflated(file, member)
        ):
            given += len(block)
            if given > member.file_size:
                raise bomb(
                    f"The workbook's “{shorten(member.filename)}”", member.compress_size, member.file_size
                )
            yield block


def _stored(file: BinaryIO, member: zipfile.ZipInfo) -> Iterator[bytes]:
    left = member.compress_size
    while left and (block := file.read(min(BLOCK, left))):
        left -= len(block)
        yield block


def _inflated(file: BinaryIO, member: zipfile.ZipInfo) -> Iterator[bytes]:
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for block in _stored(file, member):
            waiting = block
            while waiting and not engine.eof:
                yield engine.decompress(waiting, BLOCK)
                waiting = engine.unconsumed_tail
        yield engine.flush()
    except zlib.error as error:
        raise _broken(f"“{shorten(member.filename)}” cannot be unpacked") from error
    if not engine.eof:
        raise refuse(
            "truncated",
            f"The workbook is cut off within “{shorten(member.filename)}”.",
            "Upload the whole file again.",
        )


def _check_end(path: Path) -> None:
    """Look at the end of the archive, which says how long its directory is, before the directory is read."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 65_557))
        tail = file.read()
    place = tail.rfind(_END)
    if place < 0 or len(tail) < place + 22:
        raise refuse(
            "truncated", "The workbook is cut off: its directory is missing.", "Upload the whole file again."
        )
    count, length = struct.unpack_from("<HI", tail, place + 10)
    if count > MAX_MEMBERS or length > MAX_DIRECTORY_BYTES:
        raise refuse(
            "bomb",
            f"The workbook claims {count:,} or more members; at most {MAX_MEMBERS:,} are read.",
            _AGAIN,
        )


def _check_member(member: zipfile.ZipInfo) -> None:
    name = member.orig_filename
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or "\x00" in name or _DRIVE.match(name):
        raise refuse(
            "unsafe_names",
            f"The workbook has a member called “{shorten(name)}”, which leads out of the archive.",
            _AGAIN,
        )
    if member.flag_bits & 0x1:
        raise refuse("encrypted", "The workbook is protected by a password.", "Save it without the password.")
    if member.compress_type not in (zipfile.ZIP_STORED, DEFLATE):
        raise _broken(f"“{shorten(name)}” is packed in an unusual way")


def _refuse_overlaps(members: list[zipfile.ZipInfo]) -> None:
    """Members that share their bytes are how a small archive unpacks to a huge one within each ratio."""
    end = 0
    for member in sorted(members, key=lambda each: each.header_offset):
        if member.header_offset < end:
            raise refuse(
                "bomb", f"The workbook's “{shorten(member.filename)}” overlaps another member.", _AGAIN
            )
        end = member.header_offset + 30 + member.compress_size


def _broken(why: str) -> Exception:
    return refuse("damaged", f"The workbook is damaged: {shorten(why).rstrip('.')}.", _AGAIN)
