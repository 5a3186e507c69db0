"""Starting a training, and doing it on a worker."""

from __future__ import annotations

import math
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.audit import services as audit
from apps.core import request_context, scope, storage
from apps.core.errors import AppError, EngineFailure
from apps.core.ids import new_id
from apps.datasets import openlineage
from apps.datasets import queries as datasets
from apps.datasets.services import files
from apps.engine.errors import EngineError
from apps.engine.forecasters import NAIVE
from apps.hosting import queries as hosting
from apps.hosting.errors import HostedNameTaken
from apps.jobs import Progress
from apps.jobs import queries as job_queries
from apps.jobs import services as jobs
from apps.jobs.errors import TryLater
from apps.registry import queries as registry
from apps.registry import services as publishing
from apps.registry.contracts import Trained
from apps.registry.errors import ModelNameTaken
from apps.training import (
    asking,
    estimates,
    estimating,
    gating,
    handing,
    queries,
    recording,
    refreshing,
    telling,
    warm,
)
from apps.training.asking import MAX_HORIZON, Asked
from apps.training.errors import RunInUse
from apps.training.models import Origin, Policy, TrainingRun
from apps.usage import services as usage
from apps.usage.kinds import TRAINING_SECONDS
from tenants.backups import contents as backups

if TYPE_CHECKING:
    from apps.datasets.models import Dataset, DatasetVersion
    from apps.engine import TrainResult
    from apps.engine.panel import Panel
    from apps.engine.pretrained import Pretrained
    from apps.registry.models import ModelVersion

WORTH_SHARING: Final = 300  # series; below, starting processes takes longer than they save
AUTOMATIC: Final = -5  # the priority of a training that nobody waits for
BACKTESTS: Final = "backtests"
LOG_BACKTEST: Final = "training.log_backtest"
# A sensible first horizon by season length: two years of months, eight weeks of days, two days of hours.
HORIZONS: Final = {1: 6, 4: 8, 7: 28, 12: 24, 24: 48, 52: 26}

__all__ = ["MAX_HORIZON", "default_horizon", "delete_run", "estimate", "log_backtest", "perform", "start"]


def default_horizon(*, season_length: int) -> int:
    """The horizon that the form proposes, in steps."""
    return HORIZONS.get(season_length, max(6, min(2 * season_length, 96)))


def start(
    *,
    dataset_slug: str,
    model_name: str = "",
    version_number: int | None = None,
    origin: str = Origin.REQUEST,
    policy: str = Policy.PROMOTE,
    **wishes: Any,
) -> TrainingRun:
    """Queue a training of a version of ``dataset_slug`` (the newest one).

    ``wishes`` are the fields of ``Asked``. Raises ``InvalidTraining``, which names every field at fault,
    ``ModelNameTaken``, ``HostedNameTaken`` and ``TrainingOverBudget``; then nothing is queued.
    """
    version = _version(dataset_slug, version_number)
    dataset = version.dataset
    name = model_name or dataset.slug
    spec = _spec(Asked(**wishes), version, name)
    estimates.refuse_too_long(version, spec)
    run_id = new_id()
    with transaction.atomic():
        job = jobs.enqueue(
            kind="training.run",
            payload={"run_id": str(run_id)},
            queue="training",
            title=f"Train {name}",
            priority=0 if origin == Origin.REQUEST else AUTOMATIC,
            estimate=estimates.estimate(version, spec).as_json(),
        )
        run = TrainingRun.objects.create(
            id=run_id,
            dataset=dataset,
            dataset_version=version,
            model_name=name,
            job_id=job.id,
            spec=spec,
            seed=spec["seed"],
            origin=origin,
            policy=policy,
            features=estimating.features_of(version, spec),
            created_by=request_context.current().actor.label,
        )
        audit.record(
            action="training.started",
            target_type="training_run",
            target_id=run.public_id,
            changes={"model": name, **spec},
        )
        telling.tell(telling.STARTED, run)
    return run


def estimate(
    *, dataset_slug: str, model_name: str = "", version_number: int | None = None, **wishes: Any
) -> estimates.Estimate:
    """What ``start`` would take, without starting anything; raises as ``start`` does, but not ``TrainingOverBudget``."""
    version = _version(dataset_slug, version_number)
    spec = _spec(Asked(**wishes), version, model_name or version.dataset.slug)
    return estimates.estimate(version, spec)


def perform(*, run_id: uuid.UUID, progress: Progress) -> ModelVersion:
    """Train, publish and note the result; what a worker does. Effects commit under the job's lease, once."""
    run = queries.get_run(run_id=run_id)
    if run.finished_at is not None and run.model_version is not None:
        _charge(run)  # an earlier attempt came this far, and was killed before its job ended
        return run.model_version
    try:
        publishing.check_mirror()
        progress("Reading the data", 1)
        panel = _panel(run)
        trained = _refreshed(run, panel)
        if trained is not None:
            return _publish_refreshed(run, trained, progress)
        result, seconds = _train(run, panel, progress)
        version = _publish(run, _trained(run, result, panel), progress)
        if gating.needs_naive(run, version):
            _have_naive_serve(run, panel, version, progress)
    except EngineError as error:
        _note_failure(run, error.code, error.detail, progress)
        raise EngineFailure(error) from error
    except AppError as error:
        _note_failure(run, error.code, error.detail, progress)
        raise
    except TryLater:
        raise  # what is done is kept for then
    except Exception as error:
        if _is_last_attempt(run):
            _note_failure(run, "job_crashed", f"{type(error).__name__}: {error}", progress)
        raise
    columns = {**_kept_backtest(run, result), "seconds": seconds}
    with transaction.atomic():
        progress.hold()
        backups.hold_files()
        _note_result(run, result, version, columns)
    _charge(queries.get_run(run_id=run_id))
    recording.discard(run)
    recording.sweep()
    return version


def delete_run(*, run_id: uuid.UUID) -> None:
    """Delete a run that is over and made no version which is still there, with the forecasts it kept.

    Raises ``NotFound`` and ``RunInUse``.
    """
    run = queries.get_run(run_id=run_id)
    with transaction.atomic():
        if not job_queries.get_job(job_id=run.job_id).is_final:
            raise RunInUse(run=run.public_id, reason="it is under way; cancel it first")
        if run.model_version is not None:
            raise RunInUse(
                run=run.public_id, reason=f"it made version {run.model_version.number} of {run.model_name}"
            )
        if not backups.files_may_be_deleted():
            raise RunInUse(run=run.public_id, reason="a backup is being taken; try again in a minute")
        recording.discard(run)
        audit.record(action="training.deleted", target_type="training_run", target_id=run.public_id)
        TrainingRun.objects.filter(id=run.id).delete()
    if run.backtest_path:
        storage.delete(scope.current_tenant(), run.backtest_path)


def _version(slug: str, number: int | None) -> DatasetVersion:
    if number is not None:
        return datasets.get_version(slug=slug, number=number)
    dataset = datasets.get_dataset(slug=slug)
    version = datasets.get_current_version(dataset=dataset)
    version.dataset = dataset
    return version


def _spec(asked: Asked, version: DatasetVersion, name: str) -> dict[str, Any]:
    spec = asking.checked(asked, version)
    _check_name(name, version.dataset)
    return warm.started(spec, name)


def _check_name(name: str, dataset: Dataset) -> None:
    taken = registry.list_models().filter(name=name).exclude(dataset_id=dataset.id).first()
    if taken is not None:
        raise ModelNameTaken(name=name, dataset=taken.dataset.name)
    if hosting.find_model(name=name) is not None:
        raise HostedNameTaken(name=name, sort="hosted")


def _panel(run: TrainingRun) -> Panel:
    as_of = parse_datetime(run.spec["as_of"]) if run.spec.get("as_of") else None
    return datasets.read_panel(
        version=run.dataset_version, as_of=as_of, covariates=run.spec.get("covariates")
    )


def _train(run: TrainingRun, panel: Panel, progress: Progress) -> tuple[TrainResult, float]:
    """What the engine makes of it, and the seconds it took."""
    from apps.engine import training

    spec = asking.engine_spec(run.spec, workers=_workers(panel), pretrained=_pretrained(panel))
    desk = recording.RunDesk(run, progress)
    began = timezone.now()
    result = training.train(
        panel, spec, lambda stage, percent: progress(stage, 2 + 0.93 * percent), desk=desk
    )
    return result, (timezone.now() - began).total_seconds()


def _publish(run: TrainingRun, trained: Trained, progress: Progress) -> ModelVersion:
    progress("Registering the model", 96)
    return publishing.publish(
        trained=trained,
        policy=run.policy,  # type: ignore[arg-type] # one of Policy's
        progress=progress,
    )


def _have_naive_serve(run: TrainingRun, panel: Panel, refused: ModelVersion, progress: Progress) -> None:
    """Publish the seasonal naive as a version of its own, and note on the run why it serves."""
    trained = gating.naive(run, panel, refused)
    version = publishing.publish(trained=trained, progress=progress)
    run.notes = [*run.notes, f"Version {version.semver} serves. {trained.notes[0]}"]


def _refreshed(run: TrainingRun, panel: Panel) -> Trained | None:
    """The version with its new points, where that is wanted and can be; else why not is noted on the run."""
    if "refresh_of" not in run.spec:
        return None
    trained, reason = refreshing.refreshed(run, panel)
    if trained is None:
        run.notes = [f"It was trained, as new points could not just be brought in: {reason}"]
    return trained


def _publish_refreshed(run: TrainingRun, trained: Trained, progress: Progress) -> ModelVersion:
    version = _publish(run, trained, progress)
    columns = {
        "leaderboard": trained.leaderboard,
        "notes": trained.notes,
        "selected": trained.algorithm,
        "refreshed": True,
    }
    with transaction.atomic():
        progress.hold()
        _finish(run, version, columns)
    _charge(run)
    return version


def log_backtest(*, run_id: uuid.UUID) -> dict[str, Any]:
    """Have MLflow know the errors of each step ahead; nothing where the version is gone by now."""
    run = queries.get_run(run_id=run_id)
    if run.model_version is None or not run.breakdown:
        return {"steps": 0}
    rows = run.breakdown["horizon"]
    publishing.log_backtest(version=run.model_version, rows=rows)
    return {"steps": len(rows)}


def _charge(run: TrainingRun) -> None:
    """Enter what the run took in the ledger, once: only a run that made a version counts, a refresh as one second."""
    usage.charge(
        kind=TRAINING_SECONDS,
        quantity=math.ceil(run.seconds or 1),
        limit=None,
        receipt={"training_run": run.public_id, "model": run.model_name},
        request_id=f"job_{run.job_id.hex}",
    )


def _pretrained(panel: Panel) -> Pretrained | None:
    """The operator's trees for data of this frequency, where there are any; raises ``EngineError`` for a file that is none."""
    from apps.engine import pretrained

    path = Path(settings.PRETRAINED_MODELS) / f"{panel.frequency.alias}.alm"
    return pretrained.read(path) if settings.PRETRAINED_MODELS and path.is_file() else None


def _workers(panel: Panel) -> int:
    return settings.TRAINING_PROCESSES if len(panel) >= WORTH_SHARING else 1


def _trained(run: TrainingRun, result: TrainResult, panel: Panel) -> Trained:
    line = next(line for line in result.leaderboard if line.selected)
    return handing.over(
        run,
        result.bundle,
        algorithm=result.selected,
        label=line.label,
        metrics=_metrics(result),
        notes=_said(result),
        leaderboard=[candidate.as_json() for candidate in result.leaderboard],
        verdict=gating.verdict(run, result, panel),
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


def _kept_backtest(run: TrainingRun, result: TrainResult) -> dict[str, Any]:
    """The columns of the run that name the kept forecasts and sum them up; none without a backtest."""
    from apps.training import backtests

    if result.backtest is None:
        return {}
    costs = (run.spec["over_cost"], run.spec["under_cost"]) if "over_cost" in run.spec else None
    with files.temporary(".parquet") as target:
        breakdown = backtests.write(result.backtest, target, costs)
        folder = f"{BACKTESTS}/{run.id.hex}"
        sha256, path = storage.write_content(scope.current_tenant(), folder, target, ".parquet")
    return {"breakdown": breakdown, "backtest_path": path, "backtest_sha256": sha256}


def _note_result(run: TrainingRun, result: TrainResult, version: ModelVersion, kept: dict[str, Any]) -> None:
    columns: dict[str, Any] = {
        "leaderboard": [candidate.as_json() for candidate in result.leaderboard],
        "notes": [*run.notes, *_said(result)],
        "coverage": {str(level): share for level, share in result.coverage.items()},
        "selected": result.selected,
        **kept,
    }
    _finish(run, version, columns)


def _finish(run: TrainingRun, version: ModelVersion, columns: dict[str, Any]) -> None:
    done = {**columns, "model_version": version, "finished_at": timezone.now()}
    if not TrainingRun.objects.filter(id=run.id, finished_at=None).update(**done):
        return  # another attempt came this far at the same time
    if columns.get("breakdown"):
        jobs.enqueue(
            kind=LOG_BACKTEST, payload={"run_id": str(run.id)}, title=f"Note how {run.model_name} did"
        )
    openlineage.announce(kind="training_run", id=run.public_id)
    audit.record(
        action="training.succeeded",
        target_type="training_run",
        target_id=run.public_id,
        changes={"model": run.model_name, "version": version.number, "selected": columns["selected"]},
    )
    telling.tell(telling.SUCCEEDED, run, version=version.number, selected=columns["selected"])


def _is_last_attempt(run: TrainingRun) -> bool:
    job = job_queries.get_job(job_id=run.job_id)
    return job.attempt >= job.max_attempts


def _note_failure(run: TrainingRun, code: str, detail: str, progress: Progress) -> None:
    """Tell of a failure that another attempt would not mend; what was kept for one goes."""
    with transaction.atomic():
        progress.hold()
        telling.tell(telling.FAILED, run, code=code, detail=detail[:500])
    recording.discard(run)
