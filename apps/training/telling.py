"""What is told of trainings: the events ``training.*``."""

from __future__ import annotations

from typing import Any, Final

from apps.core.ids import public_id
from apps.events import services as events
from apps.training.models import TrainingRun

STARTED: Final = "training.started"
SUCCEEDED: Final = "training.succeeded"
FAILED: Final = "training.failed"
_RUN: Final = {
    "training_run": "run_01K…",
    "job": "job_01K…",
    "model": "sales",
    "dataset": "sales",
    "dataset_version": 3,
    "url": "/v1/training-runs/run_01K…",
}
# type, what happened, the fields that go out
TYPES: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    (STARTED, "A training was asked for.", _RUN),
    (SUCCEEDED, "A training made a version.", {**_RUN, "version": 4, "selected": "ensemble"}),
    (FAILED, "A training failed for good.", {**_RUN, "code": "dataset_not_trainable", "detail": "…"}),
)


def tell(type: str, run: TrainingRun, **more: Any) -> None:
    """Note it in the outbox, inside the caller's transaction."""
    about = {
        "training_run": run.public_id,
        "job": public_id("job", run.job_id),
        "model": run.model_name,
        "dataset": run.dataset.slug,
        "dataset_version": run.dataset_version.number,
        "url": f"/v1/training-runs/{run.public_id}",
    }
    events.emit(type=type, data={**about, **more})
