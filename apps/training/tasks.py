"""The handlers of training's jobs."""

from __future__ import annotations

import uuid
from typing import Any

from apps import jobs
from apps.training import policies, services


@jobs.handler("training.run")
def run(payload: dict[str, Any], progress: jobs.Progress) -> dict[str, Any]:
    """Train what the run's row asks for."""
    version = services.perform(run_id=uuid.UUID(payload["run_id"]), progress=progress)
    return {"model": version.model.name, "version": version.number, "model_version_id": str(version.id)}


@jobs.handler("training.auto")
def train_again(payload: dict[str, Any], progress: jobs.Progress) -> dict[str, Any]:
    """Start the training that a policy wants, unless nothing is new."""
    return policies.perform(
        policy_id=uuid.UUID(payload["policy_id"]), origin=payload["origin"], progress=progress
    )


@jobs.handler("training.log_backtest")
def log_backtest(payload: dict[str, Any], _progress: jobs.Progress) -> dict[str, Any]:
    """Have MLflow know how the version did by steps ahead."""
    return services.log_backtest(run_id=uuid.UUID(payload["run_id"]))
