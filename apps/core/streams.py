"""Bodies that are a file as it is: handed on as a stream, never read into memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from apps.core.api import text_parameter

CHUNK_BYTES: Final = 1 << 20
FILE_TYPES: Final = (
    "text/csv",
    "text/tab-separated-values",
    "text/plain",
    "application/csv",
    "application/json",
    "application/x-ndjson",
    "application/jsonl",
    "application/vnd.apache.parquet",
    "application/x-parquet",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.ms-excel",
    "application/gzip",
    "application/x-gzip",
    "application/zstd",
    "application/octet-stream",
)
_FOLDERS: Final = re.compile(r"^.*[/\\]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RawUpload:
    """A file on its way in: ``name`` as the client gave it without folders, "" where it gave none; ``size`` in bytes.

    It can be read once, from the server's spool; ``read`` makes it a binary stream for whoever stores it.
    """

    stream: Any
    name: str
    media_type: str
    size: int

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        """At most ``size`` more bytes; b"" at the end. Never all at once, whatever is asked."""
        return cast("bytes", self.stream.read(size if size >= 0 else CHUNK_BYTES))

    def chunks(self) -> Iterator[bytes]:
        """The rest, in pieces of at most a MiB."""
        return iter(self.read, b"")


class RawUploadParser(BaseParser):
    """``request.data`` is the ``RawUpload``; the name comes from ``?filename=``. A subclass stands for each media type."""

    media_type = "application/octet-stream"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """A ``RawUpload``: the body, unread; raises ``InvalidParameter`` for a name that no text of ours can hold."""
        request = cast("Request", (parser_context or {})["request"])
        name = _FOLDERS.sub("", text_parameter(request, "filename"))
        size = int(request.META.get("CONTENT_LENGTH") or 0)
        return RawUpload(stream, name, (media_type or "").split(";")[0].strip().lower(), size)


def parsers_of(*media_types: str) -> list[type[BaseParser]]:
    """A parser class for each media type: ``parser_classes = [MultiPartParser, *parsers_of(*FILE_TYPES)]``."""
    return [_of(media_type) for media_type in media_types]


def _of(media_type: str) -> type[BaseParser]:
    class One(RawUploadParser):
        __doc__ = f"Takes {media_type}."

    One.media_type = media_type
    return One
