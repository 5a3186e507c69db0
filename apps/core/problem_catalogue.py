"""Every problem that can leave this program, as a table: for the page ``/docs/problems`` and ``docs/problems.md``."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from django.apps import apps

from apps.core import problems
from apps.core.errors import AppError, EngineFailure, Kind
from apps.engine.errors import EngineError

# The server's entry refuses some requests before Django sees them; it stands above this app.
ENTRY: Final = {
    400: ("bad_request", "The request cannot be read"),
    408: ("request_timeout", "The body came too slowly"),
    413: ("too_large", "The body is too large"),
    500: ("internal", "Something failed on our side"),
    503: ("overloaded", "Too many requests at this moment"),
    507: ("disk_full", "The server cannot keep the body"),
}
_OWN: Final = ("apps.", "tenants.")
_Class = TypeVar("_Class")
_PLACEHOLDER: Final = re.compile(r"\{(\w+)[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One code: the status it answers with, its title, and the sentence, with ``{field}`` where values stand."""

    code: str
    status: int
    title: str
    text: str


@functools.cache
def list_problems() -> tuple[Problem, ...]:
    """All problems by code. A code that two places raise stands once; the application's own goes first."""
    found: dict[str, Problem] = {}
    for problem in (*_of_application(), *_of_engine(), *_of_framework()):
        found.setdefault(problem.code, problem)
    return tuple(found[code] for code in sorted(found))


def import_errors() -> None:
    """Import whatever module of an app declares errors, so that the table does not depend on what ran before."""
    for config in apps.get_app_configs():
        name = f"{config.name}.errors"
        if name.startswith(_OWN) and importlib.util.find_spec(name):
            importlib.import_module(name)
    for name in ("admission", "api", "egress", "sealing", "storage"):
        importlib.import_module(f"apps.core.{name}")


def _of_application() -> Iterator[Problem]:
    import_errors()
    for cls in _below(AppError):
        if _is_raised(cls) and cls is not EngineFailure:
            yield Problem(cls.code, problems.STATUS[cls.kind], cls.title, _readable(cls.template))


def _of_engine() -> Iterator[Problem]:
    for cls in _below(EngineError):
        yield Problem(cls.code, problems.STATUS[Kind(cls.kind)], cls.title, _readable(cls.template))


def _of_framework() -> Iterator[Problem]:
    for table in (problems.FRAMEWORK, ENTRY):
        for status, (code, title) in table.items():
            yield Problem(code, status, title, "")


def _is_raised(cls: type[AppError]) -> bool:
    """Common parents state no sentence of their own and are never raised."""
    return "template" in vars(cls) or cls.template is not AppError.template


def _below(cls: type[_Class]) -> Iterator[type[_Class]]:
    for child in cls.__subclasses__():
        if child.__module__.startswith(_OWN):
            yield child
            yield from _below(child)


def _readable(template: str) -> str:
    """``{slug!r}`` and ``{day:%Y}`` without what only the formatter needs."""
    return _PLACEHOLDER.sub(r"{\1}", template)
