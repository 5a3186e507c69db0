"""Erasing a tenant: all of it and nothing of others, proved before it is said, and finished after any interruption."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connections
from django.utils import timezone
from mlflow import MlflowClient

from apps.audit.models import AuditEvent
from apps.core import cache, redis, storage
from apps.core.tenancy import TenantKey
from apps.jobs import services as jobs
from apps.jobs.models import Job
from apps.registry import mlflow_store
from apps.usage import services as usage
from tenants import checks, erasing, lifecycle, queries, reconciler, schemas, services
from tenants.backups.contents import FILES_LOCK
from tenants.context import system_scope, tenant_scope
from tenants.errors import ErasureStarted, WrongState
from tenants.models import Domain, Tenant, TenantErasure, TenantState
from tests import trained
from tests.tenants.conftest import owner

Spare = Callable[[str], Tenant]


@pytest.fixture(scope="module")
def mlflow(django_db_setup: None) -> MlflowClient:
    """MLflow's own database, with its tables."""
    mlflow_store.upgrade()
    return mlflow_store._client()


def furnish(key: TenantKey) -> None:
    """Something of each kind that a tenant may have."""
    with tenant_scope(key):
        trained.dataset("Sales")
        jobs.enqueue(kind="tests.work", payload={}, title="Count the stars")
        usage.charge(kind="forecast_points", quantity=7, limit=None, receipt={}, request_id="one")
    storage.write_content(key, "bundles", b"weights", ".zip")
    redis.client().set(cache.cache_key(key, "plan"), "free")


def ask(tenant: Tenant, **wishes: Any) -> Tenant:
    return services.request_deletion(
        tenant_id=tenant.id,
        reason="We moved on",
        **{"grace_days": 0, "notify": ["alice@initech.example"], **wishes},
    )


def counts(key: TenantKey) -> dict[str, int]:
    return {
        table: owner(f"SELECT count(*) FROM {table} WHERE tenant_id = %s", key.id)[0][0]
        for table in erasing.list_shared_tables()
    }


def test_all_of_a_tenant_goes_and_a_certificate_says_so(spare: Spare, mlflow: MlflowClient) -> None:
    tenant, other = spare("initech"), spare("hooli")
    for each in (tenant, other):
        furnish(each.key)
        experiment = mlflow.create_experiment(each.schema_name, artifact_location=_artifacts(each.key))
        run = mlflow.create_run(experiment)
        mlflow.log_text(run.info.run_id, "weights", "bundle/x.txt")
        mlflow.delete_run(mlflow.create_run(experiment).info.run_id)  # marked, not gone
        mlflow.create_registered_model(f"{each.schema_name}.sales")
        mlflow.create_model_version(
            f"{each.schema_name}.sales", f"{run.info.artifact_uri}/bundle", run.info.run_id
        )
    others = counts(other.key)
    ask(tenant)

    assert reconciler.reconcile().erased == 1
    gone = Tenant.objects.using("owner").get(id=tenant.id)
    assert (gone.state, gone.slug, gone.name, gone.deletion_notify) == (TenantState.GONE, None, "", [])
    assert not schemas.schema_exists(tenant.schema_name)
    assert not schemas.role_exists(tenant.schema_name)
    assert storage.list_files(tenant.key) == []
    assert cache.list_keys(tenant.key) == []
    assert mlflow_store.list_leftovers(tenant.key) == []
    left = {table for table, number in counts(tenant.key).items() if number}
    assert left <= lifecycle.KEPT_TABLES.keys() | {"audit_personal"}, "who erased it stands in the log, too"
    people = owner("SELECT data FROM audit_personal WHERE tenant_id = %s", tenant.id)
    assert "initech.example" not in str(people)
    assert queries.find_by_host(host="initech.localhost") is None

    certificate = TenantErasure.objects.using("owner").get(tenant_id=tenant.id)
    assert certificate.finished_at is not None
    assert {check["name"] for check in certificate.checks} == {
        "schema",
        "role",
        "rows",
        "jobs",
        "files",
        "Redis",
        "MLflow",
        "Stripe",
    }
    assert all(check["left"] == [] for check in certificate.checks)
    assert certificate.removed["jobs_job"] == 1
    assert certificate.removed["tenants_domain"] == 1
    assert certificate.kept["usage_usageevent"] == 1

    assert counts(other.key) == others
    assert schemas.schema_exists(other.schema_name)
    assert len(storage.list_files(other.key)) > 1
    assert len(cache.list_keys(other.key)) >= 1
    assert {line.split()[0] for line in mlflow_store.list_leftovers(other.key)} == {
        "artefacts", "experiment", "registered", "run", "version",
    }  # fmt: skip
    assert checks.find_faults() == []
    _clean(other.key)


def test_the_erasure_is_in_the_audit_log_with_its_certificate(spare: Spare) -> None:
    tenant = spare("initech")
    ask(tenant)
    reconciler.reconcile()
    with system_scope("operator"):
        event = AuditEvent.objects.get(tenant_id=tenant.id, action="tenant.erased")
        certificate = TenantErasure.objects.get(tenant_id=tenant.id)
    assert event.changes["certificate"] == str(certificate.id)


def test_a_tenant_in_its_grace_is_not_erased(spare: Spare) -> None:
    tenant = ask(spare("initech"), grace_days=1)
    assert reconciler.reconcile().erased == 0
    with pytest.raises(WrongState, match="its grace over"):
        erasing.erase(tenant)
    assert schemas.schema_exists(tenant.schema_name)
    assert services.cancel_deletion(tenant_id=tenant.id).state == "active"


@pytest.mark.parametrize("state", ["active", "suspended"])
def test_who_did_not_ask_is_not_erased(spare: Spare, state: str) -> None:
    tenant = spare("initech")
    owner("UPDATE tenants_tenant SET state = %s, erase_after = now() WHERE id = %s", state, tenant.id)
    with pytest.raises(WrongState):
        erasing.erase(tenant)


def test_the_freed_address_can_be_taken_again(spare: Spare) -> None:
    tenant = spare("initech")
    services.rename(tenant_id=tenant.id, slug="initech-works")
    ask(tenant)
    reconciler.reconcile()
    assert not Domain.objects.filter(domain__startswith="initech").exists()
    assert spare("initech").slug == "initech"


def test_running_work_is_waited_for_before_anything_is_erased(spare: Spare) -> None:
    tenant = spare("initech")
    furnish(tenant.key)
    owner(
        "UPDATE jobs_job SET state = 'running', lease_until = now() + interval '30 s' WHERE tenant_id = %s",
        tenant.id,
    )
    ask(tenant)
    assert reconciler.reconcile().unfinished == 1
    certificate = TenantErasure.objects.using("owner").get(tenant_id=tenant.id)
    assert certificate.finished_at is None
    assert "is running" in str(certificate.checks)
    assert schemas.schema_exists(tenant.schema_name)
    with pytest.raises(ErasureStarted):
        services.cancel_deletion(tenant_id=tenant.id)
    with system_scope("dispatcher"):
        assert Job.objects.get(tenant_id=tenant.id).cancel_requested_at is not None

    owner("UPDATE jobs_job SET lease_until = now() WHERE tenant_id = %s", tenant.id)
    assert reconciler.reconcile().erased == 1


def test_while_a_backup_is_taken_the_files_stay(spare: Spare) -> None:
    tenant = spare("initech")
    storage.write_content(tenant.key, "bundles", b"weights", ".zip")
    ask(tenant)
    with psycopg.connect(**connections["owner"].get_connection_params(), autocommit=True) as backup:
        backup.execute("SELECT pg_advisory_lock_shared(hashtext(%s))", [FILES_LOCK])
        assert reconciler.reconcile().unfinished == 1
        assert len(storage.list_files(tenant.key)) > 1
        assert schemas.schema_exists(tenant.schema_name)
    certificate = TenantErasure.objects.using("owner").get(tenant_id=tenant.id)
    assert "one is being taken" in str(certificate.checks)
    assert reconciler.reconcile().erased == 1
    assert storage.list_files(tenant.key) == []


@pytest.fixture
def stubborn() -> Iterator[dict[str, Any]]:
    """An eraser that leaves or breaks what the test says."""
    said: dict[str, Any] = {"left": [], "breaks": False}

    def erase(_key: TenantKey) -> None:
        if said["breaks"]:
            raise ConnectionError("MLflow is away")

    lifecycle.register_eraser("stubborn", erase, lambda _key: said["left"])
    yield said
    lifecycle._erasers.pop("stubborn")


def test_while_anything_is_left_the_tenant_is_not_gone(spare: Spare, stubborn: dict[str, Any]) -> None:
    tenant = ask(spare("initech"))
    stubborn["left"] = [f"thing {number}" for number in range(30)]
    assert reconciler.reconcile().unfinished == 1
    left = TenantErasure.objects.using("owner").get(tenant_id=tenant.id)
    assert next(check for check in left.checks if check["name"] == "stubborn")["more"] == 10
    assert left.finished_at is None
    tenant.refresh_from_db(using="owner")
    assert (tenant.state, tenant.slug) == ("deleting", "initech")

    stubborn["left"] = []
    assert reconciler.reconcile().erased == 1
    left.refresh_from_db(using="owner")
    assert left.attempts == 2


def test_an_eraser_that_fails_is_told_and_tried_again(spare: Spare, stubborn: dict[str, Any]) -> None:
    tenant = ask(spare("initech"))
    stubborn["breaks"] = True
    assert reconciler.reconcile().unfinished == 1
    left = TenantErasure.objects.using("owner").get(tenant_id=tenant.id)
    assert "ConnectionError: MLflow is away" in str(left.checks)
    assert not schemas.schema_exists(tenant.schema_name), "the others did their work"
    stubborn["breaks"] = False
    assert reconciler.reconcile().erased == 1


STEPS = ("_run", "_delete_rows", "_look", "_certify")


@pytest.mark.parametrize(("step", "when"), list(itertools.product(STEPS, ["before", "after"])))
def test_an_erasure_that_was_cut_off_is_finished_by_the_next_round(
    spare: Spare, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    tenant = spare("initech")
    furnish(tenant.key)
    ask(tenant)
    original = getattr(erasing, step)

    def cut(*arguments: Any) -> Any:
        if when == "after":
            original(*arguments)
        raise SystemExit("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(erasing, step, cut)
        with pytest.raises(SystemExit):
            reconciler.reconcile()
    assert reconciler.reconcile().erased == (0 if (step, when) == ("_certify", "after") else 1)
    certificate = TenantErasure.objects.using("owner").get(tenant_id=tenant.id)
    assert certificate.finished_at is not None
    assert certificate.removed["jobs_job"] == 1
    assert checks.find_faults() == []


def test_a_certificate_is_never_written_again(spare: Spare) -> None:
    tenant = ask(spare("initech"))
    reconciler.reconcile()
    with system_scope("operator"):
        changed = TenantErasure.objects.filter(tenant_id=tenant.id).update(finished_at=timezone.now())
    assert changed == 0


def test_one_tenants_failure_does_not_keep_the_others_waiting(
    spare: Spare, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = spare("initech"), spare("hooli")
    for tenant in (first, second):
        ask(tenant)
    drop = schemas.drop

    def refuse(schema: str) -> None:
        if schema == first.schema_name:
            raise TimeoutError
        drop(schema)

    with monkeypatch.context() as patch:
        patch.setattr(schemas, "drop", refuse)
        done = reconciler.reconcile()
    assert (done.erased, done.unfinished) == (1, 1)


def test_the_longest_due_come_first(spare: Spare) -> None:
    first, second = spare("initech"), spare("hooli")
    for tenant, days in ((second, 1), (first, 2)):
        ask(tenant)
        owner(
            "UPDATE tenants_tenant SET erase_after = %s WHERE id = %s",
            timezone.now() - timedelta(days=days),
            tenant.id,
        )
    assert [tenant.slug for tenant in erasing.list_due()] == ["initech", "hooli"]


def test_every_table_that_is_kept_is_there_and_names_a_tenant(committed: None) -> None:
    assert lifecycle.KEPT_TABLES.keys() <= set(erasing.list_shared_tables())


def _artifacts(key: TenantKey) -> str:
    folder = mlflow_store._artifacts(key)
    folder.mkdir(parents=True)
    return folder.as_uri()


def _clean(key: TenantKey) -> None:
    mlflow_store.erase(key)
    storage.erase(key)
