"""Publishing without a training: what a job would hand over, and MLflow's stand-in."""

from __future__ import annotations

from typing import Any

from apps.core.ids import new_id
from apps.core.tenancy import TenantKey
from apps.registry import services
from apps.registry.mlflow_store import Registered
from apps.registry.models import ModelVersion
from tests import trained


class Mirror:
    """Stands for MLflow, whose own tests are those of training; notes what it was told."""

    def __init__(self) -> None:
        self.registered: list[str] = []

    def register(self, *, key: TenantKey, trained: Any, sha256: str, bundle: Any) -> Registered:
        assert bundle.exists(), "the file stands before anybody is told of it"
        self.registered.append(str(trained.job_id))
        return Registered("run", f"{key.schema}.{trained.model_name}", str(len(self.registered)))


class Lease:
    """A lease that nobody takes away."""

    held = 0

    def hold(self) -> None:
        self.held += 1


def publish(version: ModelVersion, policy: Any = "promote", **changes: Any) -> ModelVersion:
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
    found = services.publish(trained=services.Trained(**given), policy=policy, progress=lease)
    assert lease.held <= 1
    return found
