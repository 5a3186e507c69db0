"""What a training hands over to the registry."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training hands over: the bundle and everything that the version's row keeps of it.

    ``params`` is what was asked for; it holds ``refresh_of`` (a number) where new points were brought into that version
    without training. ``schema`` is what the answers look like beside horizon, levels and frequency: see ``numbering``.
    ``series_example`` is the id of one series, ``data_name`` and ``data_sha256`` tell the data. ``verdict`` is the publish gate's, as JSON.
    """

    model_name: str
    dataset_id: uuid.UUID
    dataset_version_id: uuid.UUID
    job_id: uuid.UUID
    algorithm: str
    label: str
    bundle: bytes
    metrics: dict[str, float]
    notes: list[str]
    horizon_max: int
    levels: list[int]
    frequency: str
    series_count: int
    cutoff: str
    seed: int
    code_version: str
    params: dict[str, Any]
    leaderboard: list[dict[str, Any]]
    series_example: str = ""
    data_name: str = ""
    data_sha256: str = ""
    schema: dict[str, Any] = field(default_factory=dict)
    verdict: dict[str, Any] = field(default_factory=dict)
