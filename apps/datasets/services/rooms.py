"""Whether the plan has room for what is to come."""

from __future__ import annotations

from apps.core import scope
from apps.datasets import queries
from apps.datasets.errors import TooManyDatasets, TooManyRows
from tenants import queries as tenants


def check_datasets() -> None:
    """Raise ``TooManyDatasets`` unless one more fits."""
    limits = tenants.get_limits(tenant_id=scope.current_tenant().id)
    if queries.count_datasets() >= limits.datasets:
        raise TooManyDatasets(limit=limits.datasets)


def check_rows(rows: int) -> None:
    """Raise ``TooManyRows`` unless ``rows`` more fit; each data set counts with its newest version."""
    limit = tenants.get_limits(tenant_id=scope.current_tenant().id).rows
    used = queries.count_rows()
    if rows > 0 and used + rows > limit:
        raise TooManyRows(limit=limit, used=used, rows=rows)
