"""Content on its way into the store, as Django's storages want it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from django.core.files.base import File

if TYPE_CHECKING:
    _File = File[Any]
else:
    _File = File


class GivenAway(_File):
    """A file of this machine that the store may take over: ``temporary_file_path`` is how Django says that."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb"), name=path.name)
        self._path = path

    def temporary_file_path(self) -> Path:
        """Where it stands."""
        return self._path


class Pieces(_File):
    """Content that comes piece by piece and is read once; an error of its source stops the writing."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__(cast("Any", None), name="pieces")
        self._pieces = iter(pieces)
        self._rest = b""

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """The pieces as they come."""
        del chunk_size
        return self._pieces

    def seekable(self) -> bool:
        """It cannot be read twice."""
        return False

    def read(self, size: int = -1) -> bytes:
        """So many bytes, fewer only at the end; all where the size is negative."""
        parts, have = [self._rest], len(self._rest)
        while size < 0 or have < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            parts.append(piece)
            have += len(piece)
        whole = b"".join(parts)
        end = have if size < 0 else size
        self._rest = whole[end:]
        return whole[:end]
