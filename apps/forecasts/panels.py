"""What explanations add to a forecast's page; that app stands above this one, so it registers."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

Lister = Callable[[uuid.UUID], list[dict[str, Any]]]
_listers: list[Lister] = []


def register(lister: Lister) -> None:
    """Add a function from a forecast's id to rows ``{public_id, series_id, step, state}``; call it from ``AppConfig.ready``."""
    _listers.append(lister)


def explanations(forecast_id: uuid.UUID) -> list[dict[str, Any]]:
    """What was explained of the forecast so far."""
    return [row for lister in _listers for row in lister(forecast_id)]
