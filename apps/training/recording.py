"""What a running training leaves behind as it goes: how its candidates stand, and what they found, for the next attempt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db import transaction

from apps.core import scope, storage
from apps.jobs import Progress
from apps.jobs import queries as jobs
from apps.jobs.models import FINAL
from apps.training.models import TrainingRun

if TYPE_CHECKING:
    from apps.engine.checkpoints import Standing
    from apps.engine.contracts import Candidate

FOLDER = "checkpoints"
SUFFIX = ".npz"
SWEPT_AT_ONCE = 20


class RunDesk:
    """The engine's desk for one run: writes only while the job's lease is ours."""

    def __init__(self, run: TrainingRun, progress: Progress) -> None:
        self._run_id = run.id
        self._progress = progress
        self._kept: dict[str, list[str]] = dict(run.checkpoints)
        self._told: set[str] = set()

    def find(self, key: str) -> bytes | None:
        """What an earlier attempt kept; None where that is lost or damaged."""
        if key not in self._kept:
            return None
        sha256, path = self._kept[key]
        try:
            return storage.read_content(scope.current_tenant(), path, sha256)
        except storage.StorageCorrupted:
            return None

    def keep(self, key: str, data: bytes) -> None:
        """Keep a finished candidate in the tenant's storage, and note where."""
        folder = f"{FOLDER}/{self._run_id.hex}"
        sha256, path = storage.write_content(scope.current_tenant(), folder, data, SUFFIX)
        self._kept[key] = [sha256, path]
        self._write(checkpoints=self._kept)

    def show(self, standings: Sequence[Standing]) -> None:
        """Note how all candidates stand, and the board of those that are done."""
        lines = [each.line for each in standings if each.line is not None]
        self._log(lines)
        lines.sort(key=lambda line: (line.error is not None, line.mase is None, line.mase))
        self._write(
            leaderboard=[line.as_json() for line in lines],
            standings=[
                {
                    "name": each.name,
                    "label": each.label,
                    "stage": each.stage,
                    "restored": each.restored,
                    "seconds": each.line.seconds if each.line else None,
                }
                for each in standings
            ],
        )

    def _log(self, lines: Sequence[Candidate]) -> None:
        """Each candidate that is done, once, in the job's log."""
        for line in lines:
            if line.name in self._told:
                continue
            self._told.add(line.name)
            if line.error is not None:
                self._progress.log(f"{line.label} could not be used: {line.error}", level="warning")
            else:
                error = "untested" if line.mase is None else f"MASE {line.mase:.3f}"
                self._progress.log(f"{line.label}: {error} after {line.seconds or 0:.1f} s")

    def _write(self, **columns: object) -> None:
        with transaction.atomic():
            self._progress.hold()
            TrainingRun.objects.filter(id=self._run_id, finished_at=None).update(**columns)


def discard(run: TrainingRun) -> None:
    """Forget what the run kept for a next attempt, which there will not be."""
    kept = TrainingRun.objects.values_list("checkpoints", flat=True).get(id=run.id)
    for _sha256, path in kept.values():
        storage.delete(scope.current_tenant(), path)
    TrainingRun.objects.filter(id=run.id).update(checkpoints={})


def sweep() -> None:
    """Forget what runs kept that were cancelled or ended otherwise before they could do so themselves."""
    holding = TrainingRun.objects.exclude(checkpoints={}).order_by("created_at", "id")
    runs = list(holding.only("id", "job_id")[:SWEPT_AT_ONCE])
    over = set(
        jobs.list_jobs()
        .filter(id__in=[run.job_id for run in runs], state__in=FINAL)
        .values_list("id", flat=True)
    )
    for run in runs:
        if run.job_id in over:
            discard(run)
