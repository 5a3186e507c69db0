"""Two versions of a model side by side: what they were asked, what they saw, and how far off they were."""

from __future__ import annotations

from typing import Any, Final

from apps.registry import queries as registry
from apps.registry.models import ModelVersion
from apps.training import queries

METRICS: Final = ("mase", "rmsse", "smape", "wape", "naive_mase")
_ABSENT: Final = object()


def compare(*, model_name: str, a: str, b: str) -> dict[str, Any]:
    """``metrics`` (lower is better), ``horizon`` (MASE a step, where both runs kept a backtest), ``params`` that differ,
    ``data`` and whether both were tested on the same (``comparable``). Raises ``NotFound``."""
    first, second = (registry.resolve(name=model_name, ref=ref) for ref in (a, b))
    same_data = first.dataset_version_id == second.dataset_version_id
    return {
        "versions": {"a": first, "b": second},
        "comparable": same_data and first.horizon_max == second.horizon_max,
        "same_data": same_data,
        "metrics": [_metric(name, first, second) for name in METRICS],
        "horizon": _horizon(first, second),
        "params": differing(asked_of(first), asked_of(second)),
    }


def asked_of(version: ModelVersion) -> dict[str, Any]:
    """All that was asked for in making the version, and what its answers look like."""
    own = {"algorithm": version.algorithm, "seed": version.seed, "code_version": version.code_version}
    return {**version.params, **registry.schema_of(version), **own}


def differing(a: dict[str, Any], b: dict[str, Any]) -> list[dict[str, Any]]:
    """What the two say differently, by name; None where one says nothing."""
    names = sorted(name for name in a.keys() | b.keys() if a.get(name, _ABSENT) != b.get(name, _ABSENT))
    return [{"name": name, "a": a.get(name), "b": b.get(name)} for name in names]


def _metric(name: str, a: ModelVersion, b: ModelVersion) -> dict[str, Any]:
    first, second = a.metrics.get(name), b.metrics.get(name)
    better = None
    if name != "naive_mase" and first is not None and second is not None and first != second:
        better = "a" if first < second else "b"
    return {"name": name, "a": first, "b": second, "better": better}


def _horizon(a: ModelVersion, b: ModelVersion) -> list[dict[str, Any]]:
    """MASE of each step that either was tested on."""
    first, second = _by_step(a), _by_step(b)
    return [
        {"step": step, "a": first.get(step), "b": second.get(step)}
        for step in sorted(first.keys() | second.keys())
    ]


def _by_step(version: ModelVersion) -> dict[int, float | None]:
    run = queries.find_run_of_version(version_id=version.id)
    rows = run.breakdown.get("horizon", []) if run else []
    return {row["step"]: row["mase"] for row in rows}
