"""Reads about explanations."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.explanations.models import Explanation
from apps.forecasts import queries as forecasts
from apps.registry.models import ModelVersion


def get_explanation(*, explanation_id: uuid.UUID) -> Explanation:
    """One explanation; raises ``NotFound``."""
    explanation = Explanation.objects.filter(id=explanation_id).first()
    if explanation is None:
        raise NotFound(what="explanation", name=public_id("exp", explanation_id))
    return explanation


def list_explanations(*, forecast_id: uuid.UUID) -> QuerySet[Explanation]:
    """What was explained of a forecast, newest first."""
    return Explanation.objects.filter(forecast_id=forecast_id).order_by("-created_at")


def list_of_version(*, version: ModelVersion) -> QuerySet[Explanation]:
    """What was explained of the forecasts that a model's version made."""
    made = forecasts.list_forecasts_of(version=version).order_by().values("id")
    return Explanation.objects.filter(forecast_id__in=made)
