"""The handlers of the registry's jobs."""

from __future__ import annotations

from typing import Any

from apps import jobs
from apps.registry import services


@jobs.handler("registry.mirror_aliases")
def mirror_aliases(payload: dict[str, Any], _progress: jobs.Progress) -> dict[str, Any]:
    """Point MLflow's aliases where the row says."""
    return services.mirror_aliases(model_name=payload["model"])


@jobs.handler("registry.forget")
def forget(payload: dict[str, Any], _progress: jobs.Progress) -> dict[str, Any]:
    """Delete what is left of deleted versions."""
    services.forget(versions=payload["versions"])
    return {"versions": len(payload["versions"])}
