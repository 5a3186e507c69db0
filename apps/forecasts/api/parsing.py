"""From a JSON body to a query, with a pointer at each fault."""

from __future__ import annotations

import math
from typing import Any, TypeGuard

from apps.core.errors import FieldError
from apps.forecasts.errors import InvalidForecast
from apps.forecasts.serving.contracts import ForecastQuery

KNOWN = ("model", "horizon", "levels", "series", "future_covariates")
MAX_HORIZON = 10_000
MAX_SERIES = 100_000
DEFAULT_LEVELS = (80, 95)
MOST_FAULTS = 20  # told in one answer


def parse(body: Any) -> tuple[str, ForecastQuery]:
    """Model name and query of ``POST /v1/forecasts``; raises ``InvalidForecast`` with every fault found."""
    if not isinstance(body, dict):
        raise _invalid([FieldError("not_an_object", "the body must be a JSON object", pointer="/")])
    faults = [
        FieldError(
            "unknown_field",
            f"{name[:80]!r} is not a field; fields are {', '.join(KNOWN)}",
            f"/{_escape(name)}",
        )
        for name in body
        if name not in KNOWN
    ][:MOST_FAULTS]
    faults += [fault for check in (_model, _horizon, _levels, _series, _future) for fault in check(body)]
    if faults:
        raise _invalid(faults)
    series = body.get("series")
    query = ForecastQuery(
        horizon=body["horizon"],
        levels=tuple(sorted(body.get("levels", DEFAULT_LEVELS))),
        series=tuple(series) if series is not None else None,
        future=body.get("future_covariates") or {},
    )
    return body["model"], query


def _invalid(faults: list[FieldError]) -> InvalidForecast:
    return InvalidForecast(count=len(faults), first=f"{faults[0].pointer}: {faults[0].detail}", errors=faults)


def _model(body: dict[str, Any]) -> list[FieldError]:
    model = body.get("model")
    if isinstance(model, str) and model:
        return []
    return [FieldError("required", "give the model's name as text, as GET /v1/models lists it", "/model")]


def _horizon(body: dict[str, Any]) -> list[FieldError]:
    horizon = body.get("horizon")
    if _whole(horizon) and 1 <= horizon <= MAX_HORIZON:
        return []
    return [
        FieldError(
            "out_of_range",
            f"give a whole number of steps from 1 to {MAX_HORIZON}, not {_short(horizon)}",
            "/horizon",
        )
    ]


def _levels(body: dict[str, Any]) -> list[FieldError]:
    levels = body.get("levels", list(DEFAULT_LEVELS))
    if not isinstance(levels, list) or len(levels) > 20:
        return [FieldError("not_a_list", "give a list of at most 20 levels, such as [80, 95]", "/levels")]
    faults = [
        FieldError(
            "out_of_range",
            f"a level is a whole percent from 1 to 99, not {_short(level)}",
            f"/levels/{index}",
        )
        for index, level in enumerate(levels)
        if not _whole(level) or not 1 <= level <= 99
    ]
    if not faults and len(set(levels)) < len(levels):
        faults = [FieldError("duplicate", "each level may stand once", "/levels")]
    return faults


def _series(body: dict[str, Any]) -> list[FieldError]:
    series = body.get("series")
    if series is None:
        return []
    if not isinstance(series, list) or not 1 <= len(series) <= MAX_SERIES:
        return [
            FieldError("not_a_list", "give a list of series ids, or leave it out for all series", "/series")
        ]
    faults = [
        FieldError("not_text", f"a series id is text, not {_short(each)}", f"/series/{i}")
        for i, each in enumerate(series)
        if not isinstance(each, str)
    ]
    if not faults and len(set(series)) < len(series):
        faults = [FieldError("duplicate", "each series may stand once", "/series")]
    return faults[:MOST_FAULTS]


def _future(body: dict[str, Any]) -> list[FieldError]:
    future = body.get("future_covariates")
    if future is None:
        return []
    if not isinstance(future, dict):
        return [
            FieldError("not_an_object", 'give {"series id": {"covariate": [values]}}', "/future_covariates")
        ]
    faults = []
    for series_id, columns in future.items():
        pointer = f"/future_covariates/{_escape(series_id)}"
        if not isinstance(columns, dict):
            faults.append(FieldError("not_an_object", 'give {"covariate": [values]}', pointer))
            continue
        faults += [
            FieldError(
                "not_numbers", "give a list of finite numbers, one a step", f"{pointer}/{_escape(name)}"
            )
            for name, values in columns.items()
            if not isinstance(values, list) or not all(_number(value) for value in values)
        ]
    return faults[:MOST_FAULTS]


def _whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond what a float holds
        return False


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")[:80]
