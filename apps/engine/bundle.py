"""The bundle: one deterministic file that holds a trained model.

A zip archive, entries stored (not compressed) with fixed times and sorted names: `meta.json`, `arrays/*.npy`,
`texts/*.txt`. The same content gives the same bytes, so the SHA-256 of the file is its identity. Nothing in
it is ever unpickled. Only numpy is imported.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.engine import errors

FORMAT = 1
FIXED_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Content:
    """What a bundle holds: a JSON object, named arrays and named texts. Names may contain '/'."""

    meta: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    texts: Mapping[str, str]


def pack(content: Content) -> bytes:
    """The bundle's bytes; equal content gives equal bytes."""
    entries = {"meta.json": _json({**content.meta, "format": FORMAT})}
    entries |= {f"arrays/{name}.npy": _npy(array) for name, array in content.arrays.items()}
    entries |= {f"texts/{name}.txt": text.encode() for name, text in content.texts.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(entries):
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
    """Read a bundle of any format up to this one.

    Raises BundleDamaged for anything that is not one, BundleTooNew for a later format.
    """
    try:
        return _unpack(data)
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, OSError, NotImplementedError) as error:
        raise errors.BundleDamaged(reason=f"it is not a readable bundle ({error})") from error


def _unpack(data: bytes) -> Content:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            if info.compress_type != zipfile.ZIP_STORED or info.file_size > len(data):
                raise errors.BundleDamaged(reason=f"entry '{info.filename}' is not stored plainly")
        entries = {name: archive.read(name) for name in archive.namelist()}
    meta = json.loads(entries["meta.json"])
    if meta["format"] > FORMAT:
        raise errors.BundleTooNew(found=meta["format"], supported=FORMAT)
    return Content(
        meta,
        {n[7:-4]: _array(raw) for n, raw in entries.items() if n.startswith("arrays/")},
        {n[6:-4]: raw.decode() for n, raw in entries.items() if n.startswith("texts/")},
    )


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode()


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _array(raw: bytes) -> NDArray[Any]:
    array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(raw), allow_pickle=False)
    array.flags.writeable = False
    return array
