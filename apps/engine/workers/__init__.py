"""Who does the work on many series: this process, processes of its own, or a Ray or Dask cluster.

Every backend runs the same function on the same shares of the series and puts the answers in the same order, so results
do not depend on it. A process that forks never computes, so processes are spawned. What travels is arrays and names.
"""

from __future__ import annotations

from apps.engine.workers.base import Clock, InThisProcess, Task, Workers, equal_shares, perform
from apps.engine.workers.clusters import Dask, Ray
from apps.engine.workers.opening import open_workers
from apps.engine.workers.processes import Processes

__all__ = [
    "Clock",
    "Dask",
    "InThisProcess",
    "Processes",
    "Ray",
    "Task",
    "Workers",
    "equal_shares",
    "open_workers",
    "perform",
]
