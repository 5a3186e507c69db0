"""Reading earlier forecasts: each is rebuilt from its ledger row."""

from __future__ import annotations

import csv
import io
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from apps.core.csv import safe_cell
from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.forecasts.services import KIND, Answer, predict_again
from apps.forecasts.serving.contracts import ForecastQuery
from apps.registry import queries as registry
from apps.usage import queries as usage
from apps.usage.kinds import kind_in, mode_of

CLOCKS_DIFFER: Final = timedelta(hours=1)  # at most: the database dates forecasts, this program versions

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from apps.registry.models import ModelVersion
    from apps.usage.models import UsageEvent


def list_forecasts() -> QuerySet[UsageEvent]:
    """The ledger's rows of forecasts, test keys' too, newest first; each ``receipt`` says what was asked."""
    return usage.list_events(kind=KIND, with_test=True)


def list_forecasts_of(*, version: ModelVersion) -> QuerySet[UsageEvent]:
    """Those that a model's version made."""
    since = list_forecasts().filter(occurred_at__gte=version.created_at - CLOCKS_DIFFER)
    return since.filter(receipt__model_version_id=str(version.id))


def get_forecast(*, forecast_id: uuid.UUID) -> Answer:
    """An earlier forecast, made again from its receipt; raises ``NotFound``."""
    event = usage.get_event(event_id=forecast_id)
    mode = mode_of(event.kind)
    if event.kind != kind_in(mode, KIND):
        raise NotFound(what="forecast", name=public_id("fc", forecast_id))
    version = registry.get_version(version_id=uuid.UUID(event.receipt["model_version_id"]))
    query = query_of(event.receipt)
    made_at = event.occurred_at.isoformat().replace("+00:00", "Z")
    return Answer(
        id=event.id,
        version=version,
        query=query,
        series=predict_again(version, query),
        points=event.quantity,
        made_at=made_at,
        mode=mode,
    )


def query_of(receipt: dict[str, Any]) -> ForecastQuery:
    """What the receipt says was asked."""
    series = receipt["series"]
    return ForecastQuery(
        horizon=receipt["horizon"],
        levels=tuple(receipt["levels"]),
        series=tuple(series) if series is not None else None,
        future=receipt.get("future") or {},
    )


def as_csv(*, answer: Answer) -> str:
    """``unique_id, ds, mean, lo-80, hi-80, …``: one row a series and step."""
    out = io.StringIO()
    writer: Any = None
    for each in answer.series:
        for row in each.rows():
            if writer is None:
                writer = csv.DictWriter(out, fieldnames=["unique_id", *row], lineterminator="\n")
                writer.writeheader()
            writer.writerow({"unique_id": safe_cell(each.series_id), **row})
    return out.getvalue()
