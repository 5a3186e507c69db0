"""What the pages show of a run's backtest; data as ``static/js/charts.js`` states it."""

from __future__ import annotations

from typing import Any, Final

from apps.engine.contracts import SERVED
from apps.engine.forecasters import NAIVE
from apps.training.models import TrainingRun

NAMES: Final = {SERVED: "What serves", NAIVE: "Seasonal naive"}
# Characters of a time that tell steps of years, quarters and months apart.
SHOWN: Final = {"YS": 4, "YE": 4, "QS": 7, "QE": 7, "MS": 7, "ME": 7}


def page(run: TrainingRun) -> dict[str, Any]:
    """Context of the backtest's page; the run has one."""
    found = run.breakdown
    return {
        "value": value(run),
        "overall": found["all"][0],
        "by_horizon": _bars([str(row["step"]) for row in found["horizon"]], found["horizon"]),
        "windows": found["window"],
        "segments": found["segment"],
        "worst": found["series"],
        "missed": _missed(run),
        "has_costs": "over_cost" in run.spec,
        "currency": run.spec.get("currency") or "",
    }


def value(run: TrainingRun) -> dict[str, Any] | None:
    """What the errors of what serves cost on the past against the naive's; None without costs."""
    if not run.breakdown or "over_cost" not in run.spec:
        return None
    whole = run.breakdown["all"][0]
    return {
        "cost": whole["cost"],
        "naive_cost": whole["naive_cost"],
        "saved": whole["saved"],
        "currency": run.spec.get("currency") or "",
        "windows": len(run.breakdown["window"]),
    }


def side_by_side(compared: dict[str, Any]) -> dict[str, Any] | None:
    """The errors of two versions step by step; None where neither kept a backtest."""
    rows = compared["horizon"]
    if not rows:
        return None
    versions = compared["versions"]
    return {
        "title": "MASE",
        "labels": [str(row["step"]) for row in rows],
        "beside": True,
        "series": [
            {"name": f"Version {versions[side].semver}", "values": [row[side] for row in rows]}
            for side in "ab"
        ],
    }


def by_step(backtest: dict[str, Any] | None) -> dict[str, Any] | None:
    """The errors of a card's backtest step by step; None without one."""
    if backtest is None:
        return None
    return _bars([str(row["step"]) for row in backtest["horizon"]], backtest["horizon"])


def importance(features: list[dict[str, Any]]) -> dict[str, Any] | None:
    """What the trees of a version split on, in percent; None where it has no trees."""
    if not features:
        return None
    return {
        "title": "% of the splits",
        "labels": [each["feature"].replace("_", " ") for each in features],
        "series": [{"name": "Splits", "values": [round(100 * each["share"], 2) for each in features]}],
    }


def _bars(labels: list[str], rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "title": "MASE",
        "labels": labels,
        "beside": True,
        "series": [
            {"name": NAMES[SERVED], "values": [row["mase"] for row in rows]},
            {"name": NAMES[NAIVE], "values": [row["naive_mase"] for row in rows]},
        ],
    }


def _missed(run: TrainingRun) -> list[dict[str, Any]]:
    """For each of the worst series, its newest window: what came and how far off both were, step by step."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in run.breakdown["drawn"]:
        found.setdefault(row["series_id"], []).append(row)
    unit = run.dataset_version.frequency[:2].upper()
    return [{"series_id": name, "chart": _errors(rows, unit)} for name, rows in found.items()]


def _errors(rows: list[dict[str, Any]], unit: str) -> dict[str, Any]:
    labels = [str(row["ds"])[: SHOWN.get(unit)].removesuffix("T00:00:00") for row in rows]
    return {
        "title": "Forecast minus actual",
        "labels": labels,
        "beside": True,
        "series": [
            {"name": name, "values": [_off(row, column) for row in rows]} for column, name in NAMES.items()
        ],
    }


def _off(row: dict[str, Any], column: str) -> float | None:
    return None if row[column] is None else row[column] - row["y"]
