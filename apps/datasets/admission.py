"""What must hold before a file may come: asked by ``apps.core.admission`` before its bytes are read.

What only its content can tell (how many rows it has, how it reads) is found out afterwards.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings

from apps.core import scope
from apps.datasets import queries
from apps.datasets.errors import FileTooLarge, NoRowsLeft, TooManyDatasets
from tenants import queries as tenants
from tenants.models import TenantLimits


def new_dataset(*, size: int | None, **_names: Any) -> None:
    """A file that becomes a data set: raises ``FileTooLarge``, ``TooManyDatasets`` and ``NoRowsLeft``."""
    _check_size(size)
    limits = _limits()
    if queries.count_datasets() >= limits.datasets:
        raise TooManyDatasets(limit=limits.datasets)
    _check_rows(limits)


def more_rows(*, size: int | None, name: str) -> None:
    """A file for the data set called ``name``: raises ``NotFound``, ``FileTooLarge`` and ``NoRowsLeft``."""
    queries.get_dataset(slug=name)
    _check_size(size)
    _check_rows(_limits())


def more_rows_of_page(*, size: int | None, slug: str) -> None:
    """As ``more_rows``, for the page of the data set."""
    more_rows(size=size, name=slug)


def _check_size(size: int | None) -> None:
    if size is not None and size > settings.MAX_UPLOAD_BYTES:
        raise FileTooLarge(limit_bytes=settings.MAX_UPLOAD_BYTES)


def _check_rows(limits: TenantLimits) -> None:
    used = queries.count_rows()
    if used >= limits.rows:
        raise NoRowsLeft(limit=limits.rows, used=used)


def _limits() -> TenantLimits:
    return tenants.get_limits(tenant_id=scope.current_tenant().id)
