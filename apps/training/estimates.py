"""What a training will take: rows, seconds, minutes, price, and which limit it would break."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from django.conf import settings

from apps.core import scope
from apps.datasets.models import DatasetVersion
from apps.jobs import queries as jobs
from apps.training import estimating
from apps.training.errors import TrainingOverBudget
from apps.training.models import TrainingRun
from tenants import queries as tenants

OVERHEAD_SECONDS: Final = 2.0  # reading, registering and what the worker does around the engine
SURE: Final = 2.0  # an estimate is that much too high at worst, before a training is refused by it


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that the training meets: what it would need, what there is, and what becomes of it."""

    name: str
    limit: float
    needed: float
    breaks: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """``units`` are training minutes; ``price`` is None as no plan bills them; ``learned_from`` counts earlier runs."""

    rows: int
    series: int
    candidates: list[str]
    windows: int
    seconds: float
    units: int
    price: None
    learned_from: int
    limits: list[Limit] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """As the API gives it."""
        return {**asdict(self), "unit": "training_minutes"}


def estimate(version: DatasetVersion, spec: Mapping[str, Any]) -> Estimate:
    """What a training of ``version`` with the checked ``spec`` would take."""
    features, past = estimating.features_of(version, spec), _past()
    whole = estimating.seconds(features, past) + OVERHEAD_SECONDS
    budget = spec.get("time_budget_seconds")
    seconds = whole if budget is None else min(whole, budget + OVERHEAD_SECONDS)
    return Estimate(
        rows=version.rows,
        series=version.series_count,
        candidates=features["candidates"],
        windows=features["windows"],
        seconds=round(seconds, 1),
        units=max(1, math.ceil(seconds / 60)),
        price=None,
        learned_from=len(past),
        limits=_limits(seconds),
        warnings=[*_short(version, spec), *_hurried(whole, budget)],
    )


def refuse_too_long(version: DatasetVersion, spec: Mapping[str, Any]) -> None:
    """Raise ``TrainingOverBudget`` for what would surely be stopped before its end."""
    if spec.get("time_budget_seconds") is not None:
        return
    seconds = estimating.seconds(estimating.features_of(version, spec), _past())
    if seconds > SURE * settings.JOB_SECONDS:
        raise TrainingOverBudget(seconds=seconds, limit=settings.JOB_SECONDS)


def _past() -> list[tuple[dict[str, Any], float]]:
    """Features and seconds of the workspace's latest finished trainings, oldest first."""
    done = TrainingRun.objects.exclude(seconds=None).exclude(features={}).order_by("-created_at", "-id")
    found = list(done.values_list("features", "seconds")[: estimating.MOST_PAST])
    return [(features, seconds) for features, seconds in reversed(found) if seconds is not None]


def _limits(seconds: float) -> list[Limit]:
    longest = float(settings.JOB_SECONDS)
    at_once = tenants.get_limits(tenant_id=scope.current_tenant().id).running_jobs
    waiting = jobs.count_open()
    return [
        Limit(
            "job_seconds",
            longest,
            round(seconds, 1),
            seconds > longest,
            "It would be stopped before its end: choose less effort or a time budget."
            if seconds > longest
            else "One job may take so long.",
        ),
        Limit(
            "running_jobs",
            at_once,
            waiting + 1,
            waiting >= at_once,
            "The plan's jobs at the same time are taken; it waits until one ends."
            if waiting >= at_once
            else "It can start at once.",
        ),
    ]


def _short(version: DatasetVersion, spec: Mapping[str, Any]) -> list[str]:
    """Whether the series are likely too short for the horizon to be tested."""
    mean, horizon = version.rows / max(version.series_count, 1), int(spec["horizon"])
    if mean >= horizon + 4:
        return []
    return [
        f"The series have {mean:.0f} points on average, too few to test forecasts of {horizon} steps: most would be served by "
        "the seasonal naive. Choose a shorter horizon."
    ]


def _hurried(seconds: float, budget: float | None) -> list[str]:
    if budget is None or seconds <= budget:
        return []
    return [
        f"All candidates would take about {seconds:.0f} s; within {budget:.0f} s some are likely left out."
    ]
