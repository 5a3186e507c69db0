"""What can be wrong with stored files."""

from __future__ import annotations

from apps.core.errors import AppError, Kind


class StorageCorrupted(AppError):
    """A stored file no longer has the hash under which it was written."""

    kind = Kind.INTERNAL
    code = "storage_corrupted"
    title = "A stored file is damaged"
    template = "The stored file {path} does not have the content it was written with. The operator must restore it from a backup."


class StorageUnavailable(AppError):
    """The server that keeps the files does not answer, or refuses us."""

    kind = Kind.UNAVAILABLE
    code = "storage_unavailable"
    title = "The storage of files does not answer"
    template = "The storage of files did not do what was asked of it ({reason}). Try again; if it lasts, tell the operator."
    retryable = True
