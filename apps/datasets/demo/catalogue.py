"""The demo data sets by name. One file and one line here add another."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


def build(name: str) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The long table of the demo ``name`` and the names of its covariates; ``KeyError`` for another name."""
    frame, covariates = _modules()[name].build()
    return frame, covariates


def _modules() -> dict[str, ModuleType]:
    from apps.datasets.demo import corner_shop, employment

    return {"employment": employment, "corner-shop": corner_shop}
