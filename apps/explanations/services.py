"""Asking for an explanation, and making it on a worker."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any

from django.db import transaction

from apps.audit import services as audit
from apps.core import scope, storage
from apps.core.errors import EngineFailure
from apps.core.ids import new_id, public_id
from apps.engine.errors import EngineError
from apps.explanations import queries
from apps.explanations.errors import NoSuchPoint
from apps.explanations.models import Explanation
from apps.forecasts import queries as forecasts
from apps.jobs import Progress
from apps.jobs import queries as job_queries
from apps.jobs import services as jobs


def request(*, forecast_id: uuid.UUID, series_id: str, step: int) -> Explanation:
    """Queue the explanation of one point; the same point asked twice is the same explanation, unless that failed.

    Raises ``NotFound`` for the forecast and ``NoSuchPoint``.
    """
    answer = forecasts.get_forecast(forecast_id=forecast_id)
    if series_id not in {each.series_id for each in answer.series} or not 1 <= step <= answer.query.horizon:
        raise NoSuchPoint(
            forecast_id=answer.public_id, series_id=series_id[:80], step=step, horizon=answer.query.horizon
        )
    return _find_alive(forecast_id, series_id, step) or _queue(forecast_id, series_id, step)


def perform(*, explanation_id: uuid.UUID, progress: Progress) -> Explanation:
    """Explain the point with the very bundle that made the forecast; what a worker does."""
    from apps.engine import explain

    explanation = queries.get_explanation(explanation_id=explanation_id)
    answer = forecasts.get_forecast(forecast_id=explanation.forecast_id)
    progress("Reading the model", 10)
    version = answer.version
    bundle = storage.read_content(scope.current_tenant(), version.bundle_path, version.bundle_sha256)
    progress("Attributing the forecast", 40)
    try:
        future = {
            name: values for name, values in answer.query.future.items() if name == explanation.series_id
        }
        found = explain.explain(
            bundle, explanation.series_id, explanation.step, version.seed, future, answer.query.horizon
        )
    except EngineError as error:
        raise EngineFailure(error) from error
    with transaction.atomic():
        progress.hold()
        explanation.method, explanation.result = found.method, _as_json(found)
        explanation.save(update_fields=["method", "result"])
        audit.record(
            action="explanation.succeeded",
            target_type="explanation",
            target_id=explanation.public_id,
            changes={"method": found.method},
        )
    return explanation


def _find_alive(forecast_id: uuid.UUID, series_id: str, step: int) -> Explanation | None:
    """An explanation of the point that is there or on its way."""
    found = queries.list_explanations(forecast_id=forecast_id).filter(series_id=series_id, step=step)
    return next(
        (
            each
            for each in found
            if each.result is not None or not job_queries.get_job(job_id=each.job_id).is_final
        ),
        None,
    )


def _queue(forecast_id: uuid.UUID, series_id: str, step: int) -> Explanation:
    explanation_id = new_id()
    with transaction.atomic():
        job = jobs.enqueue(
            kind="explanations.explain",
            payload={"explanation_id": str(explanation_id)},
            queue="interactive",
            title=f"Explain {series_id[:60]}, step {step}",
        )
        explanation = Explanation.objects.create(
            id=explanation_id, forecast_id=forecast_id, series_id=series_id, step=step, job_id=job.id
        )
        audit.record(
            action="explanation.requested",
            target_type="explanation",
            target_id=explanation.public_id,
            changes={"forecast": public_id("fc", forecast_id), "series": series_id[:200], "step": step},
        )
    return explanation


def _as_json(found: Any) -> dict[str, Any]:
    parts = [part._asdict() for part in found.parts]
    return {**dataclasses.asdict(found), "parts": parts}
