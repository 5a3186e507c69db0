"""Tasks on their way to other processes: never more under way than there are workers, answers in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from apps.engine.threads import one_thread
from apps.engine.workers.base import Clock, Task, perform

Answer = list[Any]
Submit = Callable[..., "Future[Answer]"]


def perform_there(task: Task, left_seconds: float | None) -> Answer:
    """`perform` in a process whose clock is its own: `left_seconds` of the time budget, None without a limit."""
    one_thread()
    ends_at = None if left_seconds is None else time.monotonic() + left_seconds
    return perform(task, Clock(ends_at))


def ship(submit: Submit, count: int, tasks: Sequence[Task], clock: Clock) -> list[Answer]:
    """The answer to each task, in order. `submit(function, *arguments)` gives its future.

    At most `count` tasks are under way, so that the seconds left are told when a task begins and not when it starts to
    wait. Raises what a task raises; the tasks under way are given up then.
    """
    answers: list[Answer] = [[] for _ in tasks]
    running: dict[Future[Answer], int] = {}
    try:
        for place in _places(len(tasks), count, running, answers):
            running[submit(perform_there, tasks[place], clock.left_seconds)] = place
    finally:
        for future in running:
            future.cancel()
    return answers


def _places(
    tasks: int, count: int, running: dict[Future[Answer], int], answers: list[Answer]
) -> Iterator[int]:
    """The next task's place each time a worker is free; ends when all have answered."""
    for place in range(tasks):
        if len(running) >= count:
            _collect(running, answers)
        yield place
    while running:
        _collect(running, answers)


def _collect(running: dict[Future[Answer], int], answers: list[Answer]) -> None:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        answers[running.pop(future)] = future.result()
