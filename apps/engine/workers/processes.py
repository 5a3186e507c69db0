"""Processes of its own on this machine."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.process import AuthenticationString  # type: ignore[attr-defined]  # typeshed lacks it
from typing import Any, Self

from apps.engine import errors, threads
from apps.engine.panel import Ints
from apps.engine.workers.base import Clock, Task, equal_shares
from apps.engine.workers.shipping import ship


class Processes:
    """`count` spawned processes with one thread each; they live as long as the `with` block, and end with this process.

    Raises WorkersLost when one of them dies; then all are ended.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(self.count, context, initializer=threads.begin)
        return self

    def __exit__(self, *failure: object) -> None:
        assert self._pool is not None
        self._pool.shutdown(cancel_futures=True)
        self._pool = None

    def shares(self, lengths: Ints) -> list[Sequence[int]]:
        """See `Workers`."""
        return equal_shares(lengths)

    def run(self, tasks: Sequence[Task], clock: Clock) -> list[list[Any]]:
        """See `Workers`."""
        assert self._pool is not None, "it runs inside its with block"
        with may_have_children():
            try:
                return ship(self._pool.submit, self.count, tasks, clock)
            except BrokenProcessPool as error:
                raise errors.WorkersLost(
                    backend="local processes",
                    reason="one was ended from outside (often for want of memory), or it could not start "
                    "because the program that started it lacks `if __name__ == '__main__':`",
                ) from error


@contextmanager
def may_have_children() -> Iterator[None]:
    """Let a daemonic process, such as a child of Celery's, spawn processes inside the block.

    multiprocessing refuses this because a daemonic process is ended without a word and would leave orphans; these watch
    their parent themselves. Celery's fork of multiprocessing also puts its own key there, which it alone can hand on.
    """
    config: dict[str, Any] = getattr(multiprocessing.current_process(), "_config", {})
    before = dict(config)
    config.pop("daemon", None)
    config["authkey"] = AuthenticationString(before["authkey"])
    try:
        yield
    finally:
        config.update(before)
