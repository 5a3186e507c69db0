"""The demo data sets: what they are called and say of themselves, and where they are made.

One file and one entry here add another. Nothing heavy is imported until one is built.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.core.errors import NotFound

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Demo:
    """``generated`` data calls itself so wherever it is shown; ``module`` has ``build()``."""

    slug: str
    title: str
    description: str
    generated: bool
    module: str


DEMOS = {
    "employment": Demo(
        "us-employment",
        "US employment by sector",
        "Monthly employment in the United States by sector, in thousands of persons, 2006 to 2015, and the "
        "monthly change of the total. Real data: U.S. Bureau of Labor Statistics, from the vega_datasets "
        "package.",
        generated=False,
        module="apps.datasets.demo.employment",
    ),
    "corner-shop": Demo(
        "corner-shop",
        "Corner shop (generated)",
        "Generated, not real: daily units sold of 40 products of an invented corner shop over three years, "
        "with price, promotion and public holidays (England). Five products sell rarely, one has a gap, four "
        "were listed late.",
        generated=True,
        module="apps.datasets.demo.corner_shop",
    ),
}


def get(name: str) -> Demo:
    """The demo ``name``; raises ``NotFound``."""
    if name not in DEMOS:
        raise NotFound(what="demo data set", name=name[:40])
    return DEMOS[name]


def build(name: str) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The long table of the demo (unique_id, ds, y, covariates) and the names of its covariates."""
    frame, covariates = importlib.import_module(get(name).module).build()
    return frame, covariates
