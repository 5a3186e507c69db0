"""What the hot path takes and gives: frozen, typed, free of any framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Covariates = Mapping[str, Mapping[str, Sequence[float]]]


@dataclass(frozen=True, slots=True)
class BundleRef:
    """Which bundle answers: its content hash, and where its file is, relative to the tenant's folder."""

    sha256: str
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class ForecastQuery:
    """What is asked: ``series`` None means all; ``levels`` whole percents; ``future`` {series: {covariate: values}}."""

    horizon: int
    levels: tuple[int, ...]
    series: tuple[str, ...] | None = None
    future: Covariates = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Band:
    """One interval of one series: ``lo`` and ``hi`` of ``horizon`` values."""

    level: int
    lo: list[float]
    hi: list[float]
    calibrated: bool


@dataclass(frozen=True, slots=True)
class SeriesForecast:
    """The forecast of one series: ``ds`` ISO 8601 text or integers, ``mean`` in the data's units."""

    series_id: str
    ds: list[Any]
    mean: list[float]
    bands: list[Band]
    flags: list[str]

    def rows(self) -> list[dict[str, Any]]:
        """One row a step: ``ds, mean, lo-80, hi-80, …``."""
        columns = {"ds": self.ds, "mean": self.mean}
        for band in self.bands:
            columns[f"lo-{band.level}"] = band.lo
            columns[f"hi-{band.level}"] = band.hi
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
