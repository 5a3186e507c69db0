"""The bundle: one deterministic file that holds a trained model.

A zip archive, entries stored (not compressed) with fixed times and sorted names: `meta.json`, `arrays/*.npy`,
`texts/*.txt`. The same content gives the same bytes, so the SHA-256 of the file is its identity. Nothing in
it is ever unpickled. Only numpy is imported.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.engine import errors

FORMAT = 2  # 2: frequencies with several seasons, members of kind "paths"; 1 is read for ever
FIXED_TIME = (1980, 1, 1, 0, 0, 0)
MAX_DIRECTORY = 4 << 20  # bytes of the archive's table of contents
MAX_META = 64 << 20  # bytes of meta.json, which grows most when it is read
ENTRY = re.compile(r"meta\.json|arrays/[^\x00-\x1f]+\.npy|texts/[^\x00-\x1f]+\.txt")
END = struct.Struct("<4s4H2LH")
ZIP64_LOCATOR = b"PK\x06\x07"
NPY = re.compile(
    rb"\x93NUMPY\x01\x00(?P<length>..)\{'descr': '(?P<dtype>[<|][biuf]\d)', 'fortran_order': False, "
    rb"'shape': \((?P<shape>(?:\d{1,15}(?:,|, (?=\d)))*\d{0,15})\), \} *\n",
    re.DOTALL,
)
UNREADABLE = (
    zipfile.BadZipFile, struct.error, ValueError, KeyError, TypeError, EOFError, OSError, NotImplementedError,
    RuntimeError,
)  # fmt: skip


@dataclass(frozen=True)
class Content:
    """What a bundle holds: a JSON object, named arrays and named texts. Names may contain '/'."""

    meta: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    texts: Mapping[str, str]


def pack(content: Content) -> bytes:
    """The bundle's bytes; equal content gives equal bytes. Raises BundleDamaged for a name that has no place in one."""
    entries = {"meta.json": _json({**content.meta, "format": FORMAT})}
    entries |= {f"arrays/{name}.npy": _npy(array) for name, array in content.arrays.items()}
    entries |= {f"texts/{name}.txt": text.encode() for name, text in content.texts.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(entries):
            _check_name(name)
            info = zipfile.ZipInfo(name, FIXED_TIME)
            info.create_system = 3
            info.external_attr = 0o600 << 16
            archive.writestr(info, entries[name])
    return buffer.getvalue()


def digest(data: bytes) -> str:
    """SHA-256 of the bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def read_bytes(source: bytes | Path | str, sha256: str | None) -> bytes:
    """The file's bytes; raises BundleDamaged when their SHA-256 is not the expected one."""
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    if sha256 is not None and digest(data) != sha256.lower():
        raise errors.BundleDamaged(reason=f"its SHA-256 is {digest(data)}, expected {sha256}")
    return data


def unpack(data: bytes) -> Content:
    """Read a bundle of any format up to this one; takes memory in proportion to `data`, whatever is in it.

    Raises BundleDamaged for anything that is not one, BundleTooNew for a later format.
    """
    try:
        return _unpack(data)
    except UNREADABLE as error:
        raise errors.BundleDamaged(reason=f"it is not a readable bundle ({error})") from error


def _unpack(data: bytes) -> Content:
    entries = _entries(data)
    meta = json.loads(entries["meta.json"])
    if not isinstance(meta["format"], int) or meta["format"] < 1:
        raise errors.BundleDamaged(reason="its format is not a number")
    if meta["format"] > FORMAT:
        raise errors.BundleTooNew(found=meta["format"], supported=FORMAT)
    return Content(
        meta,
        {n[7:-4]: _array(raw) for n, raw in entries.items() if n.startswith("arrays/")},
        {n[6:-4]: raw.decode() for n, raw in entries.items() if n.startswith("texts/")},
    )


def _entries(data: bytes) -> dict[str, bytes]:
    _check_directory(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        if len({info.filename for info in infos}) < len(infos):
            raise errors.BundleDamaged(reason="an entry occurs twice")
        for info in infos:
            _check_entry(info)
        if sum(info.file_size for info in infos) > len(data):
            raise errors.BundleDamaged(reason="its entries are larger than the file")
        return {info.filename: archive.read(info) for info in infos}


def _check_directory(data: bytes) -> None:
    """The end of the archive as this module writes it, before anything reads the table of contents it points to."""
    if len(data) < END.size:
        raise errors.BundleDamaged(reason="it is too short")
    signature, *_, size, _, comment = END.unpack(data[-END.size :])
    if signature != b"PK\x05\x06" or comment or data[-END.size - 20 :].startswith(ZIP64_LOCATOR):
        raise errors.BundleDamaged(reason="its end is missing")
    if size > MAX_DIRECTORY:
        raise errors.BundleDamaged(reason="it has too many entries")


def _check_entry(info: zipfile.ZipInfo) -> None:
    plain = info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size
    if not plain or info.flag_bits & 1:
        raise errors.BundleDamaged(reason=f"entry '{info.filename}' is not stored plainly")
    if info.filename == "meta.json" and info.file_size > MAX_META:
        raise errors.BundleDamaged(reason="its meta.json is too large")
    _check_name(info.filename)


def _check_name(name: str) -> None:
    if ENTRY.fullmatch(name) is None or ".." in name.split("/"):
        raise errors.BundleDamaged(reason=f"entry {name!r} has no place in a bundle")


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode()


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _array(raw: bytes) -> NDArray[Any]:
    """The array of an .npy file as numpy writes numbers and truth values; read-only, without a copy.

    The header is matched, not evaluated, and must tell the size of what follows, so that nothing is allocated for it.
    """
    header = NPY.match(raw)
    if header is None or header.end() != 10 + int.from_bytes(header["length"], "little"):
        raise errors.BundleDamaged(reason="an array is not one of plain numbers")
    dtype = np.dtype(header["dtype"].decode())
    shape = tuple(int(side) for side in header["shape"].decode().split(",") if side.strip())
    if math.prod(shape) * dtype.itemsize != len(raw) - header.end():
        raise errors.BundleDamaged(reason="an array is not as long as it says")
    return np.frombuffer(raw, dtype, offset=header.end()).reshape(shape)
