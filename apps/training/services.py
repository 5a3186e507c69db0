"""Starting a training, and doing it on a worker."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.audit import services as audit
from apps.core import request_context
from apps.core.errors import EngineFailure
from apps.core.ids import new_id
from apps.datasets import openlineage
from apps.datasets import queries as datasets
from apps.engine.contracts import EFFORTS
from apps.engine.errors import EngineError
from apps.jobs import Progress
from apps.jobs import services as jobs
from apps.registry import queries as registry
from apps.registry import services as publishing
from apps.registry.contracts import Trained
from apps.registry.errors import ModelNameTaken
from apps.training import queries
from apps.training.errors import InvalidTraining
from apps.training.models import TrainingRun

if TYPE_CHECKING:
    from apps.engine import TrainResult
    from apps.registry.models import ModelVersion

LEVELS = (80, 95)
MAX_HORIZON = 1000
NAIVE = "seasonal_naive"
WORTH_SHARING = 300  # series; below, starting processes takes longer than they save
# A sensible first horizon by season length: two years of months, eight weeks of days, two days of hours.
HORIZONS = {1: 6, 4: 8, 7: 28, 12: 24, 24: 48, 52: 26}


def default_horizon(*, season_length: int) -> int:
    """The horizon that the form proposes, in steps."""
    return HORIZONS.get(season_length, max(6, min(2 * season_length, 96)))


def start(
    *,
    dataset_slug: str,
    horizon: int,
    model_name: str = "",
    effort: str = "balanced",
    candidates: list[str] | None = None,
    seed: int = 0,
) -> TrainingRun:
    """Queue a training of ``dataset_slug``'s newest version.

    Raises ``InvalidTraining`` for a horizon, effort or candidate out of range and ``ModelNameTaken``.
    """
    from apps.engine import forecasters

    dataset = datasets.get_dataset(slug=dataset_slug)
    version = datasets.get_current_version(dataset=dataset)
    name = model_name or dataset.slug
    unknown = sorted(set(candidates or ()) - set(forecasters.REGISTRY))
    if not 1 <= horizon <= MAX_HORIZON:
        raise InvalidTraining(reason=f"The horizon must be between 1 and {MAX_HORIZON} steps, not {horizon}.")
    if unknown:
        raise InvalidTraining(
            reason=f"There is no candidate {unknown[0]!r}; there are {', '.join(forecasters.REGISTRY)}."
        )
    if effort not in EFFORTS:
        raise InvalidTraining(reason=f"The effort must be one of {', '.join(EFFORTS)}, not {effort!r}.")
    _check_name(name, dataset.id)
    run_id = new_id()
    spec = {
        "horizon": horizon, "levels": list(LEVELS), "effort": effort, "candidates": candidates, "seed": seed,
    }  # fmt: skip
    with transaction.atomic():
        job = jobs.enqueue(
            kind="training.run", payload={"run_id": str(run_id)}, queue="training", title=f"Train {name}"
        )
        run = TrainingRun.objects.create(
            id=run_id,
            dataset=dataset,
            dataset_version=version,
            model_name=name,
            job_id=job.id,
            spec=spec,
            seed=seed,
            created_by=request_context.current().actor.label,
        )
        audit.record(
            action="training.started",
            target_type="training_run",
            target_id=run.public_id,
            changes={"model": name, **spec},
        )
    return run


def perform(*, run_id: uuid.UUID, progress: Progress) -> ModelVersion:
    """Train, publish and note the result; what a worker does. Effects commit under the job's lease, once."""
    from apps import engine

    run = queries.get_run(run_id=run_id)
    spec = engine.Spec(**{**run.spec, "levels": tuple(run.spec["levels"])})
    try:
        progress("Reading the data", 1)
        panel = datasets.read_panel(version=run.dataset_version)
        if len(panel) >= WORTH_SHARING:
            spec = replace(spec, workers=settings.TRAINING_PROCESSES)
        result = engine.train(panel, spec, lambda stage, percent: progress(stage, 2 + 0.93 * percent))
        trained = _trained(run, result)
    except EngineError as error:
        raise EngineFailure(error) from error
    progress("Registering the model", 96)
    version = publishing.publish(trained=trained, progress=progress)
    with transaction.atomic():
        progress.hold()
        _note_result(run, result, version)
    return version


def _check_name(name: str, dataset_id: uuid.UUID) -> None:
    taken = registry.list_models().filter(name=name).exclude(dataset_id=dataset_id).first()
    if taken is not None:
        raise ModelNameTaken(name=name, dataset=taken.dataset.name)


def _trained(run: TrainingRun, result: TrainResult) -> Trained:
    from apps import engine

    meta = engine.load_bundle(result.bundle, result.sha256).meta
    line = next(line for line in result.leaderboard if line.selected)
    return Trained(
        model_name=run.model_name,
        dataset_id=run.dataset_id,
        dataset_version_id=run.dataset_version_id,
        job_id=run.job_id,
        algorithm=result.selected,
        label=line.label,
        bundle=result.bundle,
        metrics=_metrics(result),
        notes=_said(result),
        horizon_max=meta.horizon_max,
        levels=list(meta.levels),
        frequency=meta.frequency.alias,
        series_count=len(meta.series_ids),
        cutoff=meta.cutoff,
        seed=run.seed,
        code_version=engine.__version__,
        params={name: value for name, value in run.spec.items() if name != "seed"},
        leaderboard=[candidate.as_json() for candidate in result.leaderboard],
    )


def _said(result: TrainResult) -> list[str]:
    """What was chosen and why, then what is worth knowing about the data."""
    return [*result.choices, *result.notes]


def _metrics(result: TrainResult) -> dict[str, float]:
    """The chosen candidate's errors, and the seasonal naive's to hold them against."""
    chosen = next(line for line in result.leaderboard if line.selected)
    found = {name: getattr(chosen, name) for name in ("mase", "smape", "rmsse", "wape")}
    found["naive_mase"] = next((line.mase for line in result.leaderboard if line.name == NAIVE), None)
    return {
        "beats_naive": result.selected != NAIVE,
        **{name: value for name, value in found.items() if value is not None},
    }


def _note_result(run: TrainingRun, result: TrainResult, version: ModelVersion) -> None:
    columns: dict[str, Any] = {
        "leaderboard": [candidate.as_json() for candidate in result.leaderboard],
        "notes": _said(result),
        "coverage": {str(level): share for level, share in result.coverage.items()},
        "selected": result.selected,
        "model_version": version,
        "finished_at": timezone.now(),
    }
    if not TrainingRun.objects.filter(id=run.id, finished_at=None).update(**columns):
        return  # an earlier attempt came this far and was killed before its job ended
    openlineage.announce(kind="training_run", id=run.public_id)
    audit.record(
        action="training.succeeded",
        target_type="training_run",
        target_id=run.public_id,
        changes={"model": run.model_name, "version": version.number, "selected": result.selected},
    )
