"""Publishing a trained model."""

from __future__ import annotations

from typing import Any, Literal

from django.db import transaction

from apps.core import scope, storage
from apps.jobs import Progress
from apps.registry import mlflow_store, numbering, queries
from apps.registry.contracts import Trained
from apps.registry.errors import ModelNameTaken
from apps.registry.models import Alias, Model, ModelVersion
from apps.registry.services import choosing, telling
from tenants.backups import contents as backups

BUNDLES = "bundles"
SUFFIX = ".alm"
Policy = Literal["promote", "challenger", "register"]


def publish(*, trained: Trained, policy: Policy = "promote", progress: Progress) -> ModelVersion:
    """Keep the bundle, mirror it in MLflow, and make it the champion: the row commits last and is the truth. A ``policy``
    other than ``promote`` leaves a champion that is there alone, and a version that the gate refused never is one.

    A job that is done a second time finds what the first left: content is addressed by hash, MLflow's objects carry
    the job's id, and the version's row is unique by job. Raises ``ModelNameTaken``.
    """
    earlier = queries.find_by_job(job_id=trained.job_id)
    if earlier is not None:
        return earlier
    key = scope.current_tenant()
    sha256, path = storage.write_content(key, BUNDLES, trained.bundle, SUFFIX)
    with storage.local_copy(key, path, sha256) as bundle:
        mirrored = mlflow_store.register(key=key, trained=trained, sha256=sha256, bundle=bundle)
    with transaction.atomic():
        progress.hold()
        backups.hold_files()
        storage.write_content(key, BUNDLES, trained.bundle, SUFFIX)  # where its last version was just deleted
        version = _insert(trained, sha256, path, mirrored)
        _place(version, policy)
    return version


def check_mirror() -> None:
    """Raise ``TryLater`` where a version could not be published now: before work whose result would have to wait."""
    mlflow_store.check()


def _place(version: ModelVersion, policy: Policy) -> None:
    """Tell of the new version, and give it the alias that the policy means."""
    model = version.model
    outcome = version.verdict.get("outcome")
    telling.tell("registered", model, version, algorithm=version.algorithm, policy=policy, gate=outcome)
    if not version.is_refused and (policy == "promote" or model.champion_id is None):
        choosing.crown(model, version)
    elif policy == "challenger":
        choosing.name(model, {Alias.CHALLENGER: version})
    else:
        telling.mirror_later(model)


def _insert(trained: Trained, sha256: str, path: str, mirrored: mlflow_store.Registered) -> ModelVersion:
    model = _model_of(trained)
    return ModelVersion.objects.create(
        model=model,
        **_numbers(model, trained),
        algorithm=trained.algorithm,
        label=trained.label,
        bundle_sha256=sha256,
        bundle_path=path,
        bundle_bytes=len(trained.bundle),
        dataset_version_id=trained.dataset_version_id,
        job_id=trained.job_id,
        metrics=trained.metrics,
        notes=trained.notes,
        params=trained.params,
        schema=trained.schema,
        verdict=trained.verdict,
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


def _model_of(trained: Trained) -> Model:
    """The model's row, locked: two trainings of one model are numbered one after the other."""
    model, _created = Model.objects.get_or_create(
        name=trained.model_name, defaults={"dataset_id": trained.dataset_id}
    )
    if model.dataset_id != trained.dataset_id:  # two first trainings of that name were under way
        raise ModelNameTaken(name=model.name, dataset=model.dataset.name)
    return telling.locked(model.name)


def _numbers(model: Model, trained: Trained) -> dict[str, Any]:
    """Number and semantic version, neither of which any version of the model had before, deleted ones included."""
    versions = list(queries.list_versions(model=model))
    numbers = [each.number for each in versions] + [number for number, _ in model.retired]
    before = _before(versions, trained)
    semver = numbering.following(
        [each.semver for each in versions] + [text for _, text in model.retired],
        before.semver if before else None,
        breaks=bool(before and numbering.differs(queries.schema_of(before), _schema(trained))),
        refreshes="refresh_of" in trained.params,
    )
    return {"number": max(numbers, default=0) + 1, "semver": semver}


def _before(versions: list[ModelVersion], trained: Trained) -> ModelVersion | None:
    """What the new version follows: the one whose new points it brings in, else the newest."""
    wanted = trained.params.get("refresh_of")
    same = [each for each in versions if each.number == wanted]
    return next(iter(same or versions), None)


def _schema(trained: Trained) -> dict[str, Any]:
    return {
        **trained.schema,
        "horizon": trained.horizon_max,
        "levels": trained.levels,
        "frequency": trained.frequency,
    }
