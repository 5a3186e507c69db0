"""What the pages of data sets have in common: head, tabs, permissions, the plot of sampled series."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest

from apps.accounts.http import TenantRequest
from apps.datasets import queries
from apps.datasets.models import Dataset, DatasetVersion


def page_of(request: HttpRequest, dataset: Dataset, version: DatasetVersion, tab: str) -> dict[str, Any]:
    """What every page of a data set shows: its head, its tabs, and what keeps it from being trained on."""
    return {
        "dataset": dataset,
        "version": version,
        "tab": tab,
        "can_write": may(request, "datasets:write"),
        "blocking": queries.open_findings(version),
    }


def may(request: HttpRequest, permission: str) -> bool:
    """Whether whoever looks at the page has a permission."""
    return permission in cast("TenantRequest", request).permissions


def history_chart(samples: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The plot's data of sampled series; None where there are none."""
    if not samples:
        return None
    return {"series": [{"id": item["series_id"], "ds": item["ds"], "y": item["y"]} for item in samples]}
