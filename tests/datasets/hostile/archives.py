"""Archives that grow without end, tear, lie about themselves or lead out of their folder."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib

import xlsxwriter

BLOCK = 128 << 10
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
FIRST_SHEET = "xl/worksheets/sheet1.xml"
STRINGS = "xl/sharedStrings.xml"


def gzip_bomb(gigabytes: int = 10) -> bytes:
    """Members of 64 MB of zeros, one behind the other: a thousand times its own size."""
    return gzip.compress(bytes(64 << 20)) * (16 * gigabytes)


def zstd_bomb(gigabytes: int = 100) -> bytes:
    """A frame of blocks that each stand for 128 kB in four bytes: thirty thousand times its own size."""
    # No checksum, no size, a window of 1 MB; block header: not last, run of one byte, its length.
    header = ZSTD_MAGIC + bytes([0x00, 10 << 3])
    run = struct.pack("<I", BLOCK << 3 | 1 << 1)[:3] + b"0"
    return header + run * (gigabytes * (1 << 30) // BLOCK)


def workbook() -> bytes:
    """An honest workbook."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet("data")
        sheet.write_row(0, 0, ["unique_id", "ds", "y"])
        for row in range(1, 41):
            sheet.write_row(
                row, 0, ["a", f"2024-01-{row:02d}" if row < 32 else f"2024-02-{row - 31:02d}", row * 1.5]
            )
    return out.getvalue()


def _rezipped(replace: dict[str, bytes], add: dict[str, bytes] | None = None) -> bytes:
    """The honest workbook with other members."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook())) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for member in old.infolist():
            new.writestr(member.filename, replace.get(member.filename, old.read(member)))
        for name, data in (add or {}).items():
            new.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def _sheet(rows: bytes) -> bytes:
    return (
        b'<?xml version="1.0" encoding="UTF-8"?>'
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        + rows
        + b"</sheetData></worksheet>"
    )


def workbook_bomb(megabytes: int = 300) -> bytes:
    """A sheet of blanks that unpacks to a thousand times its size, and says so."""
    return _rezipped({FIRST_SHEET: _sheet(b" " * (megabytes << 20))})


def workbook_that_lies(megabytes: int = 300) -> bytes:
    """The same, but the directory claims a sheet of 1,000 bytes."""
    data = bytearray(workbook_bomb(megabytes))
    for signature, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        start = 0
        while (start := data.find(signature, start)) >= 0:
            (size,) = struct.unpack_from("<I", data, start + place)
            if size > 1 << 20:
                struct.pack_into("<I", data, start + place, 1_000)
            start += 4
    return bytes(data)


def workbook_of_overlaps(members: int = 500) -> bytes:
    """All entries of the directory point at one and the same packed megabyte."""
    body = zlib.compress(bytes(1 << 20), 9)[2:-4]
    crc = zlib.crc32(bytes(1 << 20))
    local = (
        struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 8, 0, 0, crc, len(body), 1 << 20, 5, 0)
        + b"a.xml"
        + body
    )
    entries = b""
    for number in range(members):
        name = f"a{number}.xml".encode()
        entries += struct.pack(
            "<IHHHHHHIIIHHHHHII",
            0x02014B50,
            20,
            20,
            0,
            8,
            0,
            0,
            crc,
            len(body),
            1 << 20,
            len(name),
            0,
            0,
            0,
            0,
            0,
            0,
        )
        entries += name
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, members, members, len(entries), len(local), 0)
    return local + entries + end


def workbook_of_many_members(count: int = 5_000) -> bytes:
    """More members than any workbook has."""
    return _rezipped({}, {f"xl/media/{number}.xml": b"<a/>" for number in range(count)})


def workbook_with_slip() -> bytes:
    """A member that wants to be written outside of the folder it is unpacked to."""
    return _rezipped({}, {"../../../../etc/cron.d/almanac": b"* * * * * root true\n"})


def workbook_with_laughs() -> bytes:
    """Entities that stand for ten of each other, ten levels deep."""
    levels = "".join(f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">' for level in range(1, 10))
    text = f'<?xml version="1.0"?><!DOCTYPE sst [<!ENTITY l0 "ha">{levels}]><sst><si><t>&l9;</t></si></sst>'
    return _rezipped({STRINGS: text.encode()})


def workbook_with_a_far_cell() -> bytes:
    """Two cells, at opposite corners of the sheet."""
    cells = b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    return _rezipped({FIRST_SHEET: _sheet(cells)})


def workbook_with_password() -> bytes:
    """The beginning of what Excel makes of a workbook with a password: a container with an encrypted stream."""
    names = "".join(f"{name}\x00" for name in ("Root Entry", "EncryptionInfo", "EncryptedPackage"))
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1016) + names.encode("utf-16-le") + bytes(4096)


def zip_with_password() -> bytes:
    """A workbook whose members are marked as encrypted."""
    data = bytearray(workbook())
    for signature, place in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        start = 0
        while (start := data.find(signature, start)) >= 0:
            data[start + place] |= 1
            start += 4
    return bytes(data)


def sheet_of_repeats() -> bytes:
    """An OpenDocument sheet of a few bytes in which one cell is repeated over 16 thousand million."""
    cell = (
        '<table:table-cell office:value-type="float" office:value="1" table:number-columns-repeated="16384"/>'
    )
    content = (
        '<?xml version="1.0" encoding="UTF-8"?><office:document-content'
        ' xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
        ' xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"><office:body><office:spreadsheet>'
        '<table:table table:name="data"><table:table-row table:number-rows-repeated="1048576">'
        f"{cell}</table:table-row></table:table></office:spreadsheet></office:body></office:document-content>"
    )
    return opendocument(content)


def opendocument(content: str) -> bytes:
    """An OpenDocument workbook of that content."""
    manifest = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    entry = f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("mimetype", kind)
        book.writestr(
            "META-INF/manifest.xml",
            f'<manifest:manifest xmlns:manifest="{manifest}">{entry}</manifest:manifest>',
        )
        book.writestr("content.xml", content)
    return out.getvalue()


def zip_of(name: str, data: bytes) -> bytes:
    """An ordinary zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return out.getvalue()
