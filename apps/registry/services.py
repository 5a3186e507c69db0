"""Publishing a trained model."""

from __future__ import annotations

from typing import Literal

from django.db import transaction

from apps.audit import services as audit
from apps.core import scope, storage
from apps.jobs import Progress
from apps.registry import mlflow_store, queries
from apps.registry.contracts import Trained
from apps.registry.errors import ModelNameTaken
from apps.registry.models import Model, ModelVersion

BUNDLES = "bundles"
SUFFIX = ".alm"


def publish(
    *,
    trained: Trained,
    policy: Literal["promote", "challenger", "register"] = "promote",
    progress: Progress,
) -> ModelVersion:
    """Keep the bundle, mirror it in MLflow, and make it the champion: the row commits last and is the truth. A ``policy``
    other than ``promote`` leaves a champion that is there alone.

    A job that is done a second time finds what the first left: content is addressed by hash, MLflow's objects carry
    the job's id, and the version's row is unique by job. Raises ``ModelNameTaken``.
    """
    earlier = queries.find_by_job(job_id=trained.job_id)
    if earlier is not None:
        _mirror_champion(earlier.model)
        return earlier
    key = scope.current_tenant()
    sha256, path = storage.write_content(key, BUNDLES, trained.bundle, SUFFIX)
    with storage.local_copy(key, path, sha256) as bundle:
        mirrored = mlflow_store.register(key=key, trained=trained, sha256=sha256, bundle=bundle)
    with transaction.atomic():
        progress.hold()
        version = _insert(trained, sha256, path, mirrored)
        champion = Model.objects.get(id=version.model_id).champion_id
        if policy == "promote" or champion is None:
            before = _promote(version)
            audit.record(
                action="model.promoted",
                target_type="model",
                target_id=trained.model_name,
                changes={"before": before, "after": version.number, "algorithm": trained.algorithm},
            )
        else:
            audit.record(
                action="model.version_registered",
                target_type="model",
                target_id=trained.model_name,
                changes={"version": version.number, "policy": policy},
            )
    _mirror_champion(version.model)
    return version


def _mirror_champion(model: Model) -> None:
    """Point MLflow's alias at what the model's row says by now; safe to repeat."""
    champion = queries.get_champion(name=model.name)
    mlflow_store.set_champion(name=champion.mlflow_name, version=champion.mlflow_version)


def _insert(trained: Trained, sha256: str, path: str, mirrored: mlflow_store.Registered) -> ModelVersion:
    model, _created = Model.objects.get_or_create(
        name=trained.model_name, defaults={"dataset_id": trained.dataset_id}
    )
    if model.dataset_id != trained.dataset_id:  # two first trainings of that name were under way
        raise ModelNameTaken(name=model.name, dataset=model.dataset.name)
    Model.objects.select_for_update().get(
        id=model.id
    )  # two trainings of one model: numbers are given one after the other
    newest = queries.list_versions(model=model).first()
    return ModelVersion.objects.create(
        model=model,
        number=newest.number + 1 if newest else 1,
        algorithm=trained.algorithm,
        label=trained.label,
        bundle_sha256=sha256,
        bundle_path=path,
        bundle_bytes=len(trained.bundle),
        dataset_version_id=trained.dataset_version_id,
        job_id=trained.job_id,
        metrics=trained.metrics,
        notes=trained.notes,
        horizon_max=trained.horizon_max,
        levels=trained.levels,
        frequency=trained.frequency,
        series_count=trained.series_count,
        cutoff=trained.cutoff,
        seed=trained.seed,
        code_version=trained.code_version,
        mlflow_run_id=mirrored.run_id,
        mlflow_name=mirrored.name,
        mlflow_version=mirrored.version,
    )


def _promote(version: ModelVersion) -> int | None:
    model = Model.objects.select_related("champion").get(id=version.model_id)
    before = model.champion.number if model.champion else None
    Model.objects.filter(id=model.id).update(champion=version)
    return before
