"""What the tests of a tenant's backup do to tenants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db import transaction

from apps.core import storage
from apps.core.ids import new_id
from apps.core.tenancy import TenantKey
from apps.datasets.models import Upload
from apps.explanations.models import Explanation
from apps.forecasts import services as forecasts
from apps.forecasts.serving.contracts import ForecastQuery
from apps.registry import queries as registry
from apps.registry import services as publishing
from apps.registry.models import Model, ModelVersion
from tenants import queries
from tenants.backups import restoring, taking
from tenants.context import tenant_scope
from tests import factories, trained


def with_models(slug: str) -> TenantKey:
    """The tenant with a data set, a waiting upload, a published model and an explanation."""
    key = factories.tenant(slug).key
    with tenant_scope(key):
        publish("sales", trained.result("auto_ets"))
        sha256, path = storage.write_content(key, "uploads", f"ds,y\n2020-01-01,{slug}\n".encode(), ".csv")
        Upload.objects.create(
            filename='a\tb\\n"é.csv', path=path, sha256=sha256, size=9, reading={"a": [None, 1.5]}
        )
        Explanation.objects.create(forecast_id=new_id(), series_id="x\n\\N\t", step=1, job_id=new_id())
    return key


def publish(name: str, made: Any) -> ModelVersion:
    """A version as the worker publishes it, MLflow included."""
    first = trained.model(name, made)
    fields = (
        "algorithm",
        "label",
        "metrics",
        "horizon_max",
        "levels",
        "frequency",
        "series_count",
        "cutoff",
        "seed",
    )
    given: dict[str, Any] = {
        "model_name": name,
        "dataset_id": first.model.dataset_id,
        "dataset_version_id": first.dataset_version_id,
        "job_id": new_id(),
        "bundle": made.bundle,
        "notes": ["fine"],
        "params": {"depth": 3},
        "leaderboard": [{"name": "auto_ets", "mase": 0.5}],
        "code_version": first.code_version,
        **{field: getattr(first, field) for field in fields},
    }
    Model.objects.filter(name=name).update(champion=None)
    first.delete()

    class Lease:
        def hold(self) -> None:
            """Nobody takes it away."""

    lease: Any = Lease()
    return publishing.publish(trained=publishing.Trained(**given), progress=lease)


def back_up(key: TenantKey, folder: Path) -> Path:
    return taking.back_up(tenant_id=key.id, to=folder).path


def restore(key: TenantKey, source: Path, **options: Any) -> Any:
    return restoring.restore(tenant_id=key.id, source=source, agree=lambda _plan: True, **options)


def forecast(key: TenantKey) -> Any:
    with tenant_scope(key):
        version = registry.get_champion(name="sales")
        series = forecasts.predict_again(version, ForecastQuery(series=None, horizon=3, levels=(80,)))
        return [each.rows() for each in series]


def wreck(key: TenantKey) -> None:
    """All that a bad day can do to a tenant's data."""
    with tenant_scope(key), transaction.atomic():
        Model.objects.update(champion=None)
        ModelVersion.objects.all().delete()
        Upload.objects.update(filename="lost.csv")
        trained.dataset("Added later")
    storage.erase(key)


def state_of(key: TenantKey) -> tuple[str, str]:
    tenant = queries.get_tenant(tenant_id=key.id)
    return tenant.state, tenant.suspended_reason
