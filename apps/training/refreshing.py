"""New points brought into the version that is there, with the parameters it has: seconds instead of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.core import scope, storage
from apps.engine.errors import EngineError
from apps.registry import queries as registry
from apps.registry.contracts import Trained
from apps.registry.models import ModelVersion
from apps.training import gating, handing
from apps.training.models import TrainingRun

if TYPE_CHECKING:
    from apps.engine.panel import Panel

NOTE = "New points were brought into version {number} without training again."


def refreshed(run: TrainingRun, panel: Panel) -> tuple[Trained | None, str]:
    """What the run's version ``refresh_of`` becomes with the panel's new points; None and why, where it must be trained."""
    from apps.engine.update import update

    version = _version(run)
    if version is None:
        return None, "the version is gone"
    key = scope.current_tenant()
    before = storage.read_content(key, version.bundle_path, version.bundle_sha256)
    try:
        bundle = update(before, panel)
    except EngineError as error:
        return None, error.detail
    if bundle == before:
        return None, "there are no new points"
    note = NOTE.format(number=version.number)
    trained = handing.over(
        run,
        bundle,
        algorithm=version.algorithm,
        label=version.label,
        metrics=version.metrics,
        notes=[note, *(each for each in version.notes if each != note)],
        leaderboard=_leaderboard(version),
        verdict=gating.carried_over(version, bundle, panel),
        params={**handing.asked(run), **_standing_in(version), "refresh_of": version.number},
    )
    return trained, ""


def _version(run: TrainingRun) -> ModelVersion | None:
    model = registry.list_models().filter(name=run.model_name).first()
    if model is None:
        return None
    return registry.list_versions(model=model).filter(number=run.spec["refresh_of"]).first()


def _standing_in(version: ModelVersion) -> dict[str, int]:
    return {name: number for name, number in version.params.items() if name == gating.STANDS_IN}


def _leaderboard(version: ModelVersion) -> list[dict[str, object]]:
    run = TrainingRun.objects.filter(model_version=version).first()
    return list(run.leaderboard) if run else []
