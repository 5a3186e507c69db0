"""Making a forecast: predict, then bill; the ledger row is the receipt."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from apps.core import request_context, scope
from apps.core.errors import EngineFailure
from apps.core.ids import new_id, public_id
from apps.engine.errors import EngineError
from apps.forecasts import runtime
from apps.forecasts.errors import ForecastTooLarge
from apps.forecasts.serving import predictor
from apps.forecasts.serving.contracts import ForecastQuery, SeriesForecast
from apps.registry import queries as registry
from apps.registry.models import ModelVersion
from apps.usage import services as usage
from apps.usage.kinds import FORECAST_POINTS, Mode
from apps.usage.services import KeyBudget

KIND = FORECAST_POINTS
MAX_POINTS = 100_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is billed: the month's limit, and the key (with its mode and its own budget) or user that asks."""

    limit: int | None
    key_id: uuid.UUID | None = None
    user_id: uuid.UUID | None = None
    mode: Mode = "live"
    key_budget: KeyBudget | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A forecast with its receipt: everything that the API, the page and the CSV show."""

    id: uuid.UUID
    version: ModelVersion
    query: ForecastQuery
    series: list[SeriesForecast]
    points: int
    made_at: str = ""
    mode: Mode = "live"

    @property
    def public_id(self) -> str:
        """``fc_…``, also the receipt's id."""
        return public_id("fc", self.id)

    def as_json(self) -> dict[str, Any]:
        """The API's body."""
        return {
            "id": self.public_id,
            "model": self.version.model.name,
            "model_version": self.version.number,
            "horizon": self.query.horizon,
            "levels": list(self.query.levels),
            "series": [
                {"series_id": each.series_id, "flags": each.flags, "forecast": each.rows()}
                for each in self.series
            ],
            "meta": self._meta(),
        }

    def _meta(self) -> dict[str, Any]:
        calibrated = {str(band.level): band.calibrated for each in self.series[:1] for band in each.bands}
        return {
            "receipt_id": self.public_id,
            "mode": self.mode,
            "algorithm": self.version.algorithm,
            "model_version_id": self.version.public_id,
            "model_sha256": self.version.bundle_sha256,
            "data_version_id": public_id("dsv", self.version.dataset_version_id),
            "cutoff": self.version.cutoff,
            "frequency": self.version.frequency,
            "calibrated": calibrated,
            "units": {KIND: self.points},
            "warnings": [
                "The seasonal naive serves, as nothing better passed the publish gate: the model says why."
            ]
            if self.version.is_naive
            else [],
        }


def forecast(*, model: str, query: ForecastQuery, caller: Caller) -> Answer:
    """Forecast with the champion of ``model``, or the version that ``model@ref`` names, and bill the points.

    Two statements for a champion: its row, and the ledger's. Raises what ``registry.get_answering`` does, the engine's errors for
    series, horizon, level and covariates, ``ForecastTooLarge`` and ``QuotaExceeded``; then nothing is billed.
    """
    version = registry.get_answering(text=model)
    series, points = _predict(version, query)
    event_id = new_id()
    receipt = receipt_of(version, query, caller.mode)
    row = usage.charge(
        kind=KIND,
        quantity=points,
        limit=caller.limit,
        receipt=receipt,
        # Ours, never the caller's X-Request-ID: whoever chose it twice would be billed once.
        request_id=f"req_{event_id.hex}",
        key_id=caller.key_id,
        user_id=caller.user_id,
        event_id=event_id,
        mode=caller.mode,
        key_budget=caller.key_budget,
    )
    return Answer(id=row, version=version, query=query, series=series, points=points, mode=caller.mode)


def receipt_of(version: ModelVersion, query: ForecastQuery, mode: Mode = "live") -> dict[str, Any]:
    """What a forecast can be made again from, bit for bit."""
    return {
        "mode": mode,
        "model": version.model.name,
        "model_version": version.number,
        "model_version_id": str(version.id),
        "model_sha256": version.bundle_sha256,
        "data_version_id": str(version.dataset_version_id),
        "request_id": request_context.current().request_id,
        "cutoff": version.cutoff,
        "seed": version.seed,
        "code_version": version.code_version,
        "horizon": query.horizon,
        "levels": list(query.levels),
        "series": list(query.series) if query.series is not None else None,
        "future": {name: {c: list(v) for c, v in values.items()} for name, values in query.future.items()},
    }


def predict_again(version: ModelVersion, query: ForecastQuery) -> list[SeriesForecast]:
    """What ``version`` answers to ``query``; nothing is billed. Raises the engine's errors."""
    return _predict(version, query)[0]


def _predict(version: ModelVersion, query: ForecastQuery) -> tuple[list[SeriesForecast], int]:
    try:
        bundle = runtime.bundle_of(key=scope.current_tenant(), version=version)
        points = query.horizon * (len(bundle.meta.series_ids) if query.series is None else len(query.series))
        if points > MAX_POINTS:
            raise ForecastTooLarge(points=points, limit=MAX_POINTS)
        return predictor.predict(bundle, query), points
    except EngineError as error:
        raise EngineFailure(error) from error
