"""Which function does which kind of job; each app's ``tasks.py`` registers its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.jobs.progress import Progress

Handler = Callable[[dict[str, Any], Progress], dict[str, Any]]
_handlers: dict[str, Handler] = {}


def handler(kind: str) -> Callable[[Handler], Handler]:
    """``@jobs.handler("training.run")``: the function gets the payload and a progress reporter, inside the tenant's
    scope, and returns the job's result. An ``AppError`` ends the job with that error; anything else is retried."""

    def register(function: Handler) -> Handler:
        if _handlers.setdefault(kind, function) is not function:
            raise RuntimeError(f"two handlers for the job {kind!r}")
        return function

    return register


def get(kind: str) -> Handler:
    """The handler of ``kind``; ``KeyError`` where no app registered one."""
    return _handlers[kind]
