"""The handlers of the registry's jobs."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from apps import jobs
from apps.core.scope import SystemRole
from apps.registry import mirroring, services
from tenants import queries as tenants
from tenants.context import system_scope, tenant_scope
from tenants.models import TenantState

SWEEP_SECONDS = 1200


@jobs.handler("registry.mirror_aliases")
def mirror_aliases(payload: dict[str, Any], _progress: jobs.Progress) -> dict[str, Any]:
    """Point MLflow's aliases where the row says."""
    return services.mirror_aliases(model_name=payload["model"])


@jobs.handler("registry.forget")
def forget(payload: dict[str, Any], _progress: jobs.Progress) -> dict[str, Any]:
    """Delete what is left of deleted versions."""
    services.forget(versions=payload["versions"])
    return {"versions": len(payload["versions"])}


@shared_task(name="registry.sweep_mlflow", time_limit=SWEEP_SECONDS)
def sweep_mlflow() -> None:
    """Remove what MLflow holds and no row names, of one tenant after the other."""
    with system_scope(SystemRole.DISPATCHER):
        active = tenants.list_tenants().filter(state=TenantState.ACTIVE)
        keys = [tenant.key for tenant in active]
    for key in keys:
        with tenant_scope(key):
            mirroring.sweep(key)
