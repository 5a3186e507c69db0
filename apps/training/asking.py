"""What can be asked of a training, checked against the data set before anything is queued."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from django.conf import settings
from django.utils import timezone

from apps.core.errors import FieldError
from apps.datasets.models import DatasetVersion
from apps.engine import contracts
from apps.engine.contracts import EFFORTS
from apps.engine.errors import EngineError
from apps.training.errors import InvalidTraining

LEVELS: Final = (80, 95)
MAX_HORIZON: Final = 1000
LEAST_BUDGET_SECONDS: Final = 5
# Columns of the stored spec that are not the engine's, or that it knows by another name.
OURS: Final = ("as_of", "covariates", "over_cost", "under_cost", "currency", "warm_from", "refresh_of")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_POINTERS: Final = {"costs": "over_cost", "levels": "levels"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A training as it is asked for. None and "" stand for what the data set or the engine suggests.

    ``as_of`` (aware) trains on what was known then; ``covariates`` are the data set's columns to use (None: all, empty: none);
    ``hierarchy`` attributes from the top down (None: the keys the data set names); ``events`` of ``{"name", "times"}``;
    ``over_cost`` and ``under_cost`` are what a unit too much and too little costs, in ``currency``; ``warm_from`` is the
    number of the model version whose members are the candidates, ``refresh_of`` of the one that new points are brought into
    where that can be done without training.
    """

    horizon: int
    effort: str = "balanced"
    candidates: list[str] | None = None
    seed: int = 0
    levels: list[int] | None = None
    as_of: datetime | None = None
    covariates: list[str] | None = None
    future_covariates: str = "dataset"
    country: str = ""
    events: list[dict[str, Any]] | None = None
    hierarchy: list[str] | None = None
    integer: bool = False
    non_negative: Literal["auto"] | bool = "auto"
    upper: float | None = None
    time_budget_seconds: float | None = None
    over_cost: float | None = None
    under_cost: float | None = None
    currency: str = ""
    warm_from: int | None = None
    refresh_of: int | None = None


def checked(asked: Asked, version: DatasetVersion) -> dict[str, Any]:
    """The spec to be stored; raises ``InvalidTraining``, which names every field at fault."""
    faults = [fault for check in _CHECKS for fault in check(asked, version)]
    spec = _spec(asked, version)
    faults = faults or list(_engine_says(spec))
    if faults:
        raise InvalidTraining(reason=" ".join(fault.detail for fault in faults), errors=faults)
    return spec


def engine_spec(spec: dict[str, Any], **more: Any) -> contracts.Spec:
    """The engine's spec of a stored one. Raises ``EngineError``."""
    known = {name: value for name, value in spec.items() if name not in OURS}
    if "over_cost" in spec:
        known["costs"] = (spec["over_cost"], spec["under_cost"])
    known["events"] = tuple(
        contracts.Event(each["name"], tuple(each["times"])) for each in spec.get("events", ())
    )
    for name in ("levels", "hierarchy"):
        known[name] = tuple(known.get(name, ()))
    return contracts.Spec(**{**known, **more})


def columns_of(version: DatasetVersion) -> list[str]:
    """The columns beside the target, known ahead or not."""
    return [*version.columns.get("covariates", []), *version.columns.get("past", [])]


def _spec(asked: Asked, version: DatasetVersion) -> dict[str, Any]:
    """Always: what earlier runs have; the rest only where it was asked for."""
    keys = version.columns.get("hierarchy", [])
    further = {
        "as_of": asked.as_of.isoformat() if asked.as_of else None,
        "covariates": asked.covariates,
        "future_covariates": None if asked.future_covariates == "dataset" else asked.future_covariates,
        "country": asked.country or None,
        "events": asked.events or None,
        "hierarchy": (list(keys) if asked.hierarchy is None else asked.hierarchy) or None,
        "integer": asked.integer or None,
        "non_negative": None if asked.non_negative == "auto" else asked.non_negative,
        "upper": asked.upper,
        "time_budget_seconds": asked.time_budget_seconds,
        **_costs(asked),
        "warm_from": asked.warm_from,
        "refresh_of": asked.refresh_of,
    }
    return {
        "horizon": asked.horizon,
        "levels": list(asked.levels or LEVELS),
        "effort": asked.effort,
        "candidates": asked.candidates,
        "seed": asked.seed,
        **{name: value for name, value in further.items() if value is not None},
    }


def _costs(asked: Asked) -> dict[str, Any]:
    if asked.over_cost is None or asked.under_cost is None:
        return {}
    return {"over_cost": asked.over_cost, "under_cost": asked.under_cost, "currency": asked.currency or None}


def _engine_says(spec: dict[str, Any]) -> Iterator[FieldError]:
    """What the engine's own spec refuses."""
    try:
        engine_spec(spec)
    except EngineError as error:
        field = str(error.fields.get("field", "levels"))
        yield _fault(_POINTERS.get(field, field), error.detail, error.code)


def _fault(field: str, detail: str, code: str = "out_of_range") -> FieldError:
    return FieldError(code, detail, pointer=f"/{field}")


def _horizon(asked: Asked, _version: DatasetVersion) -> Iterator[FieldError]:
    if not 1 <= asked.horizon <= MAX_HORIZON:
        yield _fault(
            "horizon", f"The horizon must be between 1 and {MAX_HORIZON} steps, not {asked.horizon}."
        )


def _tried(asked: Asked, _version: DatasetVersion) -> Iterator[FieldError]:
    from apps.engine import forecasters

    for name in sorted(set(asked.candidates or ()) - set(forecasters.REGISTRY)):
        known = ", ".join(forecasters.REGISTRY)
        yield _fault(
            "candidates", f"There is no candidate {name[:60]!r}; there are {known}.", "unknown_candidate"
        )
    if asked.effort not in EFFORTS:
        yield _fault("effort", f"The effort must be one of {', '.join(EFFORTS)}, not {asked.effort[:60]!r}.")


def _known_then(asked: Asked, _version: DatasetVersion) -> Iterator[FieldError]:
    if asked.as_of is not None and asked.as_of > timezone.now():
        yield _fault("as_of", "The time as of which to train lies in the future; give one that has passed.")


def _columns(asked: Asked, version: DatasetVersion) -> Iterator[FieldError]:
    known = columns_of(version)
    for name in sorted(set(asked.covariates or ()) - set(known)):
        listed = ", ".join(known) or "none"
        yield _fault(
            "covariates",
            f"The data set has no covariate {name[:60]!r}; it has: {listed}.",
            "unknown_covariate",
        )
    attributes = version.columns.get("static", [])
    for name in [name for name in asked.hierarchy or () if name not in attributes]:
        listed = ", ".join(attributes) or "none"
        yield _fault(
            "hierarchy",
            f"The data set has no attribute {name[:60]!r} of its series; it has: {listed}.",
            "unknown_attribute",
        )


def _dates(asked: Asked, version: DatasetVersion) -> Iterator[FieldError]:
    from apps.engine import calendar

    events = [contracts.Event(each["name"], tuple(each["times"])) for each in asked.events or ()]
    is_integer = version.frequency.isdigit()
    checks: list[tuple[str, Callable[[], None]]] = [
        ("events", lambda: calendar.check_events(events, columns_of(version), is_integer=is_integer))
    ]
    if asked.country:
        checks.append(("country", lambda: calendar.check_country(asked.country)))
    for field, check in checks:
        try:
            check()
        except EngineError as error:
            yield _fault(field, error.detail, error.code)


def _money(asked: Asked, _version: DatasetVersion) -> Iterator[FieldError]:
    given = {"over_cost": asked.over_cost, "under_cost": asked.under_cost}
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == 1:
        yield _fault(
            missing[0],
            "Give both what a unit too much costs and what a unit too little costs, or neither.",
            "required",
        )
    if asked.currency and not _CURRENCY.fullmatch(asked.currency):
        yield _fault("currency", "The currency is a code of three capital letters, such as EUR.", "invalid")


def _time(asked: Asked, _version: DatasetVersion) -> Iterator[FieldError]:
    limit, given = settings.JOB_SECONDS, asked.time_budget_seconds
    if given is not None and not LEAST_BUDGET_SECONDS <= given <= limit:
        yield _fault(
            "time_budget_seconds",
            f"The time budget must be between {LEAST_BUDGET_SECONDS} and {limit:.0f} seconds.",
        )


_CHECKS: Final = (_horizon, _tried, _known_then, _columns, _dates, _money, _time)
