"""Which workers a training asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from apps.engine.contracts import Spec
from apps.engine.workers.base import InThisProcess, Workers
from apps.engine.workers.clusters import Dask, Ray
from apps.engine.workers.processes import Processes


@contextmanager
def open_workers(spec: Spec) -> Iterator[Workers]:
    """The workers that `spec.backend` and `spec.workers` name, for as long as the block lasts.

    Raises WorkersUnavailable when the backend is not installed or does not answer.
    """
    if spec.backend == "local" and spec.workers == 1:
        yield InThisProcess()
        return
    kind = {"local": Processes, "ray": Ray, "dask": Dask}[spec.backend]
    with kind(spec.workers) as workers:
        yield workers
