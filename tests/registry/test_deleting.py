"""Deleting versions and models: rows at once, files and MLflow's copies by a job, numbers never again."""

from __future__ import annotations

import pytest

from apps.core import storage
from apps.core.errors import NotFound
from apps.core.tenancy import TenantKey
from apps.forecasts import queries as forecasts
from apps.forecasts import services as forecasting
from apps.forecasts.serving.contracts import ForecastQuery
from apps.jobs.errors import TryLater
from apps.jobs.models import Job
from apps.registry import dependants, queries, services
from apps.registry.errors import BackupUnderWay, VersionServes
from apps.registry.models import Model, ModelVersion
from tenants.backups import contents
from tenants.context import tenant_scope
from tests import trained
from tests.registry.publishing import Mirror, publish


def forget(acme: TenantKey) -> None:
    """Do the jobs that clear away."""
    for job in Job.objects.filter(kind="registry.forget"):
        services.forget(versions=[{**gone, "run_id": ""} for gone in job.payload["versions"]])


def test_what_serves_is_not_deleted(acme: TenantKey, first: ModelVersion) -> None:
    with (
        tenant_scope(acme),
        pytest.raises(VersionServes, match=r"Version 1\.0\.0 answers .* cannot be deleted"),
    ):
        services.delete_version(model_name="sales", ref="1")


def test_a_deleted_versions_numbers_are_not_given_again(
    acme: TenantKey, first: ModelVersion, mirror: Mirror
) -> None:
    with tenant_scope(acme):
        publish(first, "challenger")
        services.delete_version(model_name="sales", ref="challenger")
        with pytest.raises(NotFound):
            queries.resolve(name="sales", ref="2")
        third = publish(first)
        assert (third.number, third.semver) == (3, "1.2.0")


def test_a_bundle_goes_with_the_last_version_that_names_it(
    acme: TenantKey, first: ModelVersion, mirror: Mirror
) -> None:
    with tenant_scope(acme):
        publish(first)  # the same bundle
        services.delete_version(model_name="sales", ref="1")
        forget(acme)
        assert storage.exists(acme, first.bundle_path)
        services.delete_model(model_name="sales")
        assert storage.exists(acme, first.bundle_path), "it goes once the rows are gone for good"
        forget(acme)
        assert not storage.exists(acme, first.bundle_path)
        assert (Model.objects.count(), ModelVersion.objects.count()) == (0, 0)


def test_nothing_is_deleted_while_a_backup_copies(
    acme: TenantKey, first: ModelVersion, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "files_may_be_deleted", lambda: False)
    with tenant_scope(acme):
        publish(first)
        with pytest.raises(BackupUnderWay):
            services.delete_version(model_name="sales", ref="1")
        gone = {"path": first.bundle_path, "run_id": "", "name": "", "version": ""}
        with pytest.raises(TryLater, match="backup"):
            services.forget(versions=[gone])
        assert queries.resolve(name="sales", ref="1") == first


def test_a_forecasts_receipt_outlives_the_version(
    acme: TenantKey, first: ModelVersion, mirror: Mirror
) -> None:
    query = ForecastQuery(horizon=2, levels=(80,), series=None, future={})
    with tenant_scope(acme):
        answer = forecasting.forecast(model="sales", query=query, caller=forecasting.Caller(limit=None))
        publish(first)
        assert [(each["what"], each["count"]) for each in dependants.describe(first)] == [("forecasts", 1)]
        services.delete_version(model_name="sales", ref="1")
        (event,) = forecasts.list_forecasts()
        assert (event.id, event.receipt["model_version"]) == (answer.id, 1)
        with pytest.raises(NotFound, match="There is no model version"):
            forecasts.get_forecast(forecast_id=answer.id)


def test_a_training_policy_goes_with_its_model(acme: TenantKey, first: ModelVersion) -> None:
    from apps.training import policies
    from apps.training import queries as training

    with tenant_scope(acme):
        policies.set_policy(
            model_name="sales",
            on_new_data=False,
            quiet_minutes=15,
            cron="0 6 * * 1",
            zone="UTC",
            policy="promote",
            warm_start=False,
            refresh=False,
        )
        services.delete_model(model_name="sales")
        assert training.find_policy(model_name="sales") is None
        assert trained.model("sales", of=first.model.dataset).number == 1
