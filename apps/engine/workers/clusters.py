"""Workers of a Ray or Dask cluster: one that runs already, or one that is started here for the time of the block.

Neither library is imported before it is asked for, and both must find this package on their workers.
"""

from __future__ import annotations

import importlib
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, ClassVar, Self

from apps.engine import errors
from apps.engine.panel import Ints
from apps.engine.workers.base import Clock, Task, equal_shares
from apps.engine.workers.processes import may_have_children
from apps.engine.workers.shipping import Submit, ship

STORE_BYTES = 100 * 1024**2
ROOT = Path(__file__).parents[3]


class Cluster(ABC):
    """`count` tasks at a time on a cluster, for the time of a `with` block.

    `address` is where it runs; without one the environment's counts, and where that says nothing either, a cluster with
    `count` workers is started on this machine.
    """

    package: ClassVar[str]
    install: ClassVar[str]
    variable: ClassVar[str]

    def __init__(self, count: int, address: str | None = None) -> None:
        self.count = count
        self.address = address or os.environ.get(self.variable) or None
        self._submit: Submit | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        library = self._library()
        with ExitStack() as opened:
            opened.enter_context(may_have_children())
            try:
                self._submit = self._connect(library, opened)
            except Exception as error:
                raise self._unavailable(f"it cannot be reached or started ({_line(error)})") from error
            self._open = opened.pop_all()
        return self

    def __exit__(self, *failure: object) -> None:
        self._submit = None
        self._open.close()

    def shares(self, lengths: Ints) -> list[Sequence[int]]:
        """See `Workers`."""
        return equal_shares(lengths)

    def run(self, tasks: Sequence[Task], clock: Clock) -> list[list[Any]]:
        """See `Workers`."""
        assert self._submit is not None, "it runs inside its with block"
        try:
            return ship(self._submit, self.count, tasks, clock)
        except Exception as error:
            raise self._lost(error) from error

    @abstractmethod
    def _connect(self, library: ModuleType, opened: ExitStack) -> Submit:
        """Reach or start the cluster; `opened` ends what this opens."""

    def _library(self) -> ModuleType:
        try:
            return importlib.import_module(self.package)
        except ImportError as error:
            raise self._unavailable(f"it is not installed; pip install '{self.install}'") from error

    def _unavailable(self, reason: str) -> errors.WorkersUnavailable:
        return errors.WorkersUnavailable(backend=type(self).__name__, reason=reason)

    def _lost(self, error: Exception) -> Exception:
        """What the caller shall see: an EngineError of the task itself, or that the cluster failed."""
        cause = getattr(error, "cause", error)
        if isinstance(cause, errors.EngineError):
            return cause
        return errors.WorkersLost(backend=type(self).__name__, reason=_line(cause))


class Ray(Cluster):
    """Tasks on Ray: the cluster at `address` or RAY_ADDRESS, one this process is connected to, or its own."""

    package = "ray"
    install = "ray"
    variable = "RAY_ADDRESS"

    def _connect(self, ray: Any, opened: ExitStack) -> Submit:
        # Ray reports to its makers unless it is told not to; nothing of a customer's leaves the customer's machines.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if not ray.is_initialized():
            ray.init(**self._settings(opened))
            opened.callback(ray.shutdown)

        def submit(function: Any, *arguments: Any) -> Any:
            return ray.remote(function).remote(*arguments).future()

        return submit

    def _settings(self, opened: ExitStack) -> dict[str, Any]:
        quiet = {"log_to_driver": False, "logging_level": "error"}
        if self.address:
            return {"address": self.address, **quiet}
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        # A Ray of our own listens on every network; it takes work only with this, which its processes inherit. Ray itself
        # would keep one in the home folder.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        local = {"address": "local", "num_cpus": self.count, "include_dashboard": False}
        folder = TemporaryDirectory(
            prefix="ray", dir=os.environ.get("RAY_TMPDIR"), ignore_cleanup_errors=True
        )
        return {
            **local,
            **quiet,
            "_temp_dir": opened.enter_context(folder),
            "object_store_memory": STORE_BYTES,
            "runtime_env": {"env_vars": {"PYTHONPATH": path}},
        }


class Dask(Cluster):
    """Tasks on Dask: the scheduler at `address` or DASK_SCHEDULER_ADDRESS, or a cluster of its own."""

    package = "distributed"
    install = "dask[distributed]"
    variable = "DASK_SCHEDULER_ADDRESS"

    def _connect(self, distributed: Any, opened: ExitStack) -> Submit:
        where: Any = self.address or opened.enter_context(
            distributed.LocalCluster(
                n_workers=self.count,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=None,
                security=True,
            )
        )
        client = opened.enter_context(distributed.Client(where))
        submit: Submit = opened.enter_context(client.get_executor()).submit
        return submit


def _line(error: BaseException) -> str:
    """The error in one line; clusters add pages to theirs."""
    return f"{type(error).__name__}: {error}".splitlines()[0].rstrip(". ")
