"""Publishing a model: numbers one after the other, the champion as the row says, files by their content."""

from __future__ import annotations

from typing import Any

import pytest

from apps.audit.models import AuditEvent
from apps.core.errors import NotFound
from apps.core.ids import new_id
from apps.core.tenancy import TenantKey
from apps.jobs.models import Job
from apps.registry import queries
from apps.registry.errors import ModelNameTaken
from apps.registry.models import Model, ModelVersion
from tenants.context import tenant_scope
from tests import trained
from tests.registry.publishing import Mirror, publish


def test_the_next_version_answers_from_then_on(acme: TenantKey, first: ModelVersion, mirror: Mirror) -> None:
    with tenant_scope(acme):
        second = publish(first)
        assert (second.number, queries.get_champion(name="sales")) == (2, second)
        assert [version.number for version in queries.list_versions(model=second.model)] == [2, 1]
        assert queries.get_version(version_id=first.id) == first, "earlier ones stay"
        (job,) = Job.objects.filter(kind="registry.mirror_aliases")
    assert job.payload == {"model": "sales"}


def test_a_job_that_publishes_again_finds_what_it_made(
    acme: TenantKey, first: ModelVersion, mirror: Mirror
) -> None:
    job = new_id()
    with tenant_scope(acme):
        made = publish(first, job_id=job)
        assert publish(first, job_id=job) == made
        assert ModelVersion.objects.count() == 2
        assert queries.get_champion(name="sales") == made
    assert mirror.registered == [str(job)]


def test_one_that_comes_late_does_not_take_the_alias_from_a_newer_one(
    acme: TenantKey, first: ModelVersion, mirror: Mirror
) -> None:
    job = new_id()
    with tenant_scope(acme):
        publish(first, job_id=job)
        publish(first)
        publish(first, job_id=job)
        assert queries.get_champion(name="sales").number == 3


def test_a_challenger_waits_and_a_registered_one_has_no_name(
    acme: TenantKey, first: ModelVersion, mirror: Mirror
) -> None:
    with tenant_scope(acme):
        second, third = publish(first, "challenger"), publish(first, "register")
        model = queries.get_model(name="sales")
        assert [model.aliases_of(each) for each in (first, second, third)] == [
            ["champion"],
            ["challenger"],
            [],
        ]
        told = AuditEvent.objects.filter(action__startswith="model.").order_by("occurred_at", "id")
        assert [event.action for event in told] == ["model.registered", "model.registered"]


def test_versions_say_how_much_changed(acme: TenantKey, first: ModelVersion, mirror: Mirror) -> None:
    with tenant_scope(acme):
        wishes: list[dict[str, Any]] = [
            {},
            {"params": {"refresh_of": 2}},
            {"params": {"refresh_of": 2}},
            {"horizon_max": 3},
            {"horizon_max": 3, "schema": {"covariates": []}},
            {"horizon_max": 3, "schema": {"covariates": ["price"]}},
            {"params": {"refresh_of": 1}},
        ]
        made = [publish(first, **each).semver for each in wishes]
    assert made == ["1.1.0", "1.1.1", "1.1.2", "2.0.0", "2.1.0", "3.0.0", "1.0.1"]


def test_a_name_belongs_to_one_data_set(acme: TenantKey, first: ModelVersion, mirror: Mirror) -> None:
    with tenant_scope(acme):
        other = trained.dataset("Other")
        with pytest.raises(ModelNameTaken, match="'sales' forecasts the data set 'Sales'"):
            publish(first, dataset_id=other.id)
        assert ModelVersion.objects.count() == 1


def test_the_same_bundle_of_two_versions_is_one_file(
    acme: TenantKey, first: ModelVersion, mirror: Mirror
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
