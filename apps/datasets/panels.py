"""What other apps add to a data set's page. They stand above this app, so they register instead of being imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest

from apps.datasets.models import Dataset, DatasetVersion

Panel = Callable[[HttpRequest, Dataset, DatasetVersion], dict[str, Any]]
_panels: list[Panel] = []


def register(panel: Panel) -> None:
    """Add a function that returns more context for ``datasets/detail.html``; call it from ``AppConfig.ready``."""
    _panels.append(panel)


def context(request: HttpRequest, dataset: Dataset, version: DatasetVersion) -> dict[str, Any]:
    """What all registered panels add."""
    return {name: value for panel in _panels for name, value in panel(request, dataset, version).items()}
