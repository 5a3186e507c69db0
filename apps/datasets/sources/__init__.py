"""Where rows can be fetched from: one file and one line in ``KINDS`` for each kind. Nothing heavy is imported until used."""

from __future__ import annotations

import importlib
from typing import Final, cast

from apps.core.errors import FieldError
from apps.datasets.errors import SourceInvalid
from apps.datasets.sources.contracts import Fetched, Kind

__all__ = ["KINDS", "Fetched", "Kind", "get"]

KINDS: Final = {
    "https": "apps.datasets.sources.https",
    "s3": "apps.datasets.sources.s3",
    "postgres": "apps.datasets.sources.postgres",
}


def get(kind: str) -> Kind:
    """The kind of that name; raises ``SourceInvalid``."""
    if kind not in KINDS:
        detail = f"There is no kind of source {kind[:40]!r}; there are {', '.join(KINDS)}."
        raise SourceInvalid(first=detail, errors=[FieldError("unknown_kind", detail, pointer="/kind")])
    return cast("Kind", importlib.import_module(KINDS[kind]))
