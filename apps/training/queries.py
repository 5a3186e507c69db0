"""Reads about training runs, their backtests, and when models are trained again."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from django.db.models import QuerySet

from apps.core import scope, storage
from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.datasets.errors import WorkRefused
from apps.datasets.sandbox import runner
from apps.registry.models import ModelVersion
from apps.training.errors import NoBacktest
from apps.training.models import TrainingPolicy, TrainingRun

WAYS: Final = ("series", "horizon", "segment", "window")


def get_run(*, run_id: uuid.UUID) -> TrainingRun:
    """One run with data set and result; raises ``NotFound``."""
    run = (
        TrainingRun.objects.select_related("dataset", "dataset_version", "model_version__model")
        .filter(id=run_id)
        .first()
    )
    if run is None:
        raise NotFound(what="training run", name=public_id("run", run_id))
    return run


def list_runs(*, dataset_id: uuid.UUID | None = None) -> QuerySet[TrainingRun]:
    """Runs, newest first, without what sums up their backtests."""
    runs = (
        TrainingRun.objects.select_related("dataset", "dataset_version", "model_version")
        .defer("breakdown")
        .order_by("-created_at", "-id")
    )
    return runs.filter(dataset_id=dataset_id) if dataset_id else runs


def find_run_of_version(*, version_id: uuid.UUID) -> TrainingRun | None:
    """The run that made a model version."""
    return (
        TrainingRun.objects.select_related("dataset")
        .filter(model_version_id=version_id)
        .order_by("id")
        .first()
    )


def find_run_that_tried(*, version: ModelVersion) -> TrainingRun | None:
    """The run whose candidates competed for a version: its own, or that of the version which it stands in for."""
    run = find_run_of_version(version_id=version.id)
    number = version.params.get("stands_in_for")
    if run is not None and (run.leaderboard or number is None):
        return run
    tried = TrainingRun.objects.filter(model_version__model=version.model_id, model_version__number=number)
    return tried.select_related("dataset").order_by("id").first()


def backtest_by(*, run: TrainingRun, by: str, offset: int = 0, limit: int = 1000) -> dict[str, Any]:
    """The errors of the kept forecasts by one of ``WAYS``: ``rows``, and how many there are in ``total``. By series, worst
    first, ``limit`` of them from ``offset`` on. Raises ``NoBacktest``."""
    check_kept(run)
    if by != "series":
        rows = run.breakdown[by]
        return {"rows": rows[offset : offset + limit], "total": len(rows)}
    costs = [run.spec["over_cost"], run.spec["under_cost"]] if "over_cost" in run.spec else None
    with kept_forecasts(run=run) as path:
        return _ask(path=str(path), do="by_series", costs=costs, offset=offset, limit=limit)


@contextlib.contextmanager
def kept_forecasts(*, run: TrainingRun) -> Iterator[Path]:
    """The Parquet with every forecast of the backtest, checked. Raises ``NoBacktest`` and ``StorageCorrupted``."""
    check_kept(run)
    with storage.local_copy(scope.current_tenant(), run.backtest_path, run.backtest_sha256) as path:
        yield path


def convert(*, run: TrainingRun, form: str, target: Path) -> None:
    """Write the kept forecasts to ``target`` as ``csv`` or ``ndjson``. Raises ``NoBacktest``."""
    with kept_forecasts(run=run) as path:
        _ask(path=str(path), do=form, target=str(target))


def find_policy(*, model_name: str) -> TrainingPolicy | None:
    """When the model is trained again."""
    return TrainingPolicy.objects.select_related("dataset").filter(model_name=model_name).first()


def check_kept(run: TrainingRun) -> None:
    """Raise ``NoBacktest`` where the run kept no forecasts."""
    if run.backtest_path:
        return
    reason = "no series was long enough to be tested" if run.finished_at else "it has not finished"
    raise NoBacktest(run=run.public_id, reason=reason)


def _ask(**request: Any) -> dict[str, Any]:
    try:
        return runner.run("training.backtest", request)
    except runner.ChildFailed as failed:
        raise WorkRefused(reason=failed.message) from failed
