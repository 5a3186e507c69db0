"""What hangs on a model's version, told by the apps above: each registers in ``AppConfig.ready``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from apps.registry.models import Model, ModelVersion


@dataclass(frozen=True, slots=True)
class Dependants:
    """``what`` hangs on versions (a plural), what ``becomes`` of it when one is deleted, and how many there are.

    ``remove`` clears what hangs on the model itself before that goes.
    """

    what: str
    becomes: str
    count: Callable[[ModelVersion], int]
    remove: Callable[[Model], None] | None = None


_kinds: dict[str, Dependants] = {}


def register(kind: Dependants) -> None:
    """Have versions' pages and the log tell of that kind."""
    _kinds[kind.what] = kind


def describe(version: ModelVersion) -> list[dict[str, Any]]:
    """``{what, count, becomes}`` of each kind of which there are some."""
    return list(_described(version))


def counts(version: ModelVersion) -> dict[str, int]:
    """How many of each kind there are."""
    return {each["what"]: each["count"] for each in _described(version)}


def remove(model: Model) -> None:
    """Clear what hangs on the model, inside the caller's transaction."""
    for kind in _kinds.values():
        if kind.remove is not None:
            kind.remove(model)


def _described(version: ModelVersion) -> Iterator[dict[str, Any]]:
    for kind in _kinds.values():
        if count := kind.count(version):
            yield {"what": kind.what, "count": count, "becomes": kind.becomes}
