"""Publishing a model: numbers one after the other, the champion as the row says, files by their content."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core.errors import NotFound
from apps.core.ids import new_id
from apps.core.tenancy import TenantKey
from apps.registry import mlflow_store, queries, services
from apps.registry.errors import ModelNameTaken
from apps.registry.mlflow_store import Registered
from apps.registry.models import Model, ModelVersion
from tenants.context import tenant_scope
from tests import trained


class Aliases:
    """Stands for MLflow, whose own tests are those of training; notes where the alias points."""

    def __init__(self) -> None:
        self.registered: list[str] = []
        self.champion: dict[str, str] = {}

    def register(self, *, key: TenantKey, trained: Any, sha256: str, bundle: Any) -> Registered:
        assert bundle.exists(), "the file stands before anybody is told of it"
        self.registered.append(str(trained.job_id))
        return Registered("run", f"{key.schema}.{trained.model_name}", str(len(self.registered)))

    def set_champion(self, *, name: str, version: str) -> None:
        self.champion[name.partition(".")[2]] = version


class Lease:
    """A lease that nobody takes away."""

    held = 0

    def hold(self) -> None:
        self.held += 1


@pytest.fixture
def aliases(monkeypatch: pytest.MonkeyPatch) -> Aliases:
    stand_in = Aliases()
    monkeypatch.setattr(mlflow_store, "register", stand_in.register)
    monkeypatch.setattr(mlflow_store, "set_champion", stand_in.set_champion)
    return stand_in


def publish(version: ModelVersion, **changes: Any) -> ModelVersion:
    """Publish what a job trained on the data of an earlier version."""
    made = trained.naive()
    given: dict[str, Any] = {
        "model_name": version.model.name,
        "dataset_id": version.model.dataset_id,
        "dataset_version_id": version.dataset_version_id,
        "job_id": new_id(),
        "bundle": made.bundle,
        "notes": [],
        "params": {},
        "leaderboard": [],
        **{
            name: getattr(version, name)
            for name in ("algorithm", "label", "metrics", "horizon_max", "levels", "frequency")
        },
        **{name: getattr(version, name) for name in ("series_count", "cutoff", "seed", "code_version")},
        **changes,
    }
    lease: Any = Lease()
    found = services.publish(trained=services.Trained(**given), progress=lease)
    assert lease.held <= 1
    return found


@pytest.fixture
def first(acme: TenantKey) -> ModelVersion:
    with tenant_scope(acme):
        return trained.model("sales")


def test_the_next_version_answers_from_then_on(
    acme: TenantKey, first: ModelVersion, aliases: Aliases
) -> None:
    with tenant_scope(acme):
        second = publish(first)
        assert (second.number, queries.get_champion(name="sales")) == (2, second)
        assert [version.number for version in queries.list_versions(model=second.model)] == [2, 1]
        assert queries.get_version(version_id=first.id) == first, "earlier ones stay"
    assert aliases.champion == {"sales": "1"}


def test_a_job_that_publishes_again_finds_what_it_made(
    acme: TenantKey, first: ModelVersion, aliases: Aliases
) -> None:
    job = new_id()
    with tenant_scope(acme):
        made = publish(first, job_id=job)
        aliases.champion.clear()
        assert publish(first, job_id=job) == made
        assert ModelVersion.objects.count() == 2
    assert (len(aliases.registered), aliases.champion) == (1, {"sales": "1"})


def test_one_that_comes_late_does_not_take_the_alias_from_a_newer_one(
    acme: TenantKey, first: ModelVersion, aliases: Aliases
) -> None:
    job = new_id()
    with tenant_scope(acme):
        publish(first, job_id=job)
        publish(first)
        publish(first, job_id=job)
    assert aliases.champion == {"sales": "2"}


def test_a_name_belongs_to_one_data_set(acme: TenantKey, first: ModelVersion, aliases: Aliases) -> None:
    with tenant_scope(acme):
        other = trained.dataset("Other")
        with pytest.raises(ModelNameTaken, match="'sales' forecasts the data set 'Sales'"):
            publish(first, dataset_id=other.id)
        assert ModelVersion.objects.count() == 1


def test_the_same_bundle_of_two_versions_is_one_file(
    acme: TenantKey, first: ModelVersion, aliases: Aliases
) -> None:
    with tenant_scope(acme):
        second = publish(first)
    assert (second.bundle_path, second.bundle_sha256) == (first.bundle_path, first.bundle_sha256)


def test_what_is_not_there_is_not_found(acme: TenantKey, globex: TenantKey, first: ModelVersion) -> None:
    with tenant_scope(globex):
        assert queries.find_champion(name="sales") is None
        for look in (
            lambda: queries.get_model(name="sales"),
            lambda: queries.get_champion(name="sales"),
            lambda: queries.get_version(version_id=first.id),
        ):
            with pytest.raises(NotFound):
                look()


def test_a_model_without_a_champion_is_listed_but_does_not_answer(
    acme: TenantKey, first: ModelVersion
) -> None:
    with tenant_scope(acme):
        Model.objects.update(champion=None)
        assert [model.champion for model in queries.list_models()] == [None]
        with pytest.raises(NotFound):
            queries.get_champion(name="sales")
