"""Asking a hosted model: its process computes, then the rows are counted in the ledger."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Any, Final, cast

from apps.core import request_context, scope, storage
from apps.core.errors import FieldError
from apps.core.ids import new_id, public_id
from apps.hosting import queries
from apps.hosting.errors import (
    HostedVersionArchived,
    InvalidInstances,
    ModelFailed,
    ModelHostBusy,
    ModelHostCrashed,
    ModelTooSlow,
)
from apps.hosting.models import HostedVersion
from apps.hosting.sandbox import pool
from apps.hosting.sandbox.faults import Fault
from apps.hosting.sandbox.host import HostEnded, HostTooSlow
from apps.hosting.signature import Signature, is_value
from apps.usage import services as usage
from apps.usage.kinds import PREDICTIONS, Mode

MAX_ROWS: Final = 10_000
MAX_VALUES: Final = 1_000_000
ASK_SECONDS: Final = 20.0
MOST_FAULTS: Final = 20


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose rows are counted: the key (with its mode) or user that asks."""

    key_id: uuid.UUID | None = None
    user_id: uuid.UUID | None = None
    mode: Mode = "live"


@dataclass(frozen=True, slots=True)
class Answer:
    """Predictions with their receipt; ``seconds`` is what the model's process took."""

    id: uuid.UUID
    version: HostedVersion
    predictions: list[Any]
    mode: Mode
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The API's body."""
        classes = self.version.signature.classes
        return {
            "predictions": self.predictions,
            "meta": {
                "receipt_id": public_id("prd", self.id),
                "mode": self.mode,
                "model": self.version.model.name,
                "version": self.version.number,
                "sha256": self.version.sha256,
                "units": {PREDICTIONS: len(self.predictions)},
                **({"classes": list(classes)} if classes else {}),
            },
        }


def predict(*, name: str, instances: object, caller: Caller, number: int | None = None) -> Answer:
    """The version's (else the champion's) answers to ``instances``, counted in the ledger once they are there.

    Raises ``NotFound``, ``HostedVersionArchived``, ``InvalidInstances``, ``ModelFailed``, ``ModelTooSlow``,
    ``ModelHostCrashed`` and ``ModelHostBusy``; then nothing is counted.
    """
    version = queries.get_serving(name=name, number=number)
    if version.archived_at is not None:
        raise HostedVersionArchived(model=name, version=version.number)
    rows = rows_of(instances, version.signature)
    began = time.monotonic()
    predictions = _ask(version, rows)
    seconds = time.monotonic() - began
    row = _count(version, len(rows), caller)
    return Answer(row, version, predictions, caller.mode, seconds)


def rows_of(instances: object, signature: Signature) -> list[list[float | None]]:
    """Rows in the order of the signature's features; raises ``InvalidInstances`` with a pointer at each fault."""
    if not isinstance(instances, list) or not 1 <= len(instances) <= MAX_ROWS:
        detail = f"Give a list of 1 to {MAX_ROWS} rows: lists of numbers, or objects by feature."
        raise _invalid([FieldError("not_a_list", detail, "/instances")])
    if len(instances) * max(len(signature.features), len(signature.classes)) > MAX_VALUES:
        detail = f"At most {MAX_VALUES} numbers go in or come out of one request. Send fewer rows at a time."
        raise _invalid([FieldError("too_many_values", detail, "/instances")])
    faults: list[FieldError] = []
    rows = [_row(each, f"/instances/{index}", signature, faults) for index, each in enumerate(instances)]
    if faults:
        raise _invalid(faults)
    return rows


def _row(given: object, pointer: str, signature: Signature, faults: list[FieldError]) -> list[float | None]:
    """One row; what is wrong with it is added to ``faults``, of which the first few are told."""
    if len(faults) >= MOST_FAULTS:
        return []
    wanted = signature.features
    if isinstance(given, dict):
        faults += [
            FieldError("unknown_feature", "The model has no such feature.", f"{pointer}/{_escape(name)}")
            for name in given
            if name not in wanted
        ]
        faults += [
            FieldError(
                "required", f"The feature {name!r} is missing; null stands for a missing value.", pointer
            )
            for name in wanted
            if name not in given
        ]
        values, names = [given.get(name) for name in wanted], list(wanted)
    elif isinstance(given, list) and len(given) == len(wanted):
        values, names = given, [str(index) for index in range(len(wanted))]
    else:
        detail = (
            f"A row is a list of {len(wanted)} numbers, or an object by feature: {', '.join(wanted)[:200]}."
        )
        faults.append(FieldError("wrong_length", detail, pointer))
        return []
    faults += [
        FieldError(
            "not_a_number", "Give a finite number, or null where it is missing.", f"{pointer}/{_escape(name)}"
        )
        for name, value in zip(names, values, strict=True)
        if not is_value(value)
    ]
    return values


def _ask(version: HostedVersion, rows: list[list[float | None]]) -> list[Any]:
    key = scope.current_tenant()
    about: dict[str, Any] = {"model": version.model.name, "version": version.number}
    request = {"op": "predict", "sha256": version.sha256, "signature": version.signature_json, "rows": rows}
    try:
        with storage.local_copy(key, version.path, version.sha256) as path:
            answer = pool.hosts.ask(key.schema, {**request, "path": str(path)}, ASK_SECONDS)
    except Fault as fault:
        raise ModelFailed(reason=fault.detail, **about) from fault
    except HostTooSlow as error:
        raise ModelTooSlow(seconds=int(ASK_SECONDS), **about) from error
    except HostEnded as error:
        raise ModelHostCrashed(how=error.how, **about) from error
    except pool.Busy as busy:
        raise ModelHostBusy(seconds=busy.whole_seconds, retry_after_seconds=busy.whole_seconds) from busy
    found = answer.get("predictions")
    if not _is_answer(found, len(rows), version.signature):
        raise ModelFailed(reason="its process gave no numbers of the promised shape.", **about)
    return cast("list[Any]", found)


def _is_answer(found: object, rows: int, signature: Signature) -> bool:
    """Whether it is what was promised: a stranger's code may have taken the process over, so it is not believed."""
    if not isinstance(found, list) or len(found) != rows:
        return False
    if signature.output == "regression":
        return all(_is_number(each) for each in found)
    width = len(signature.classes)
    return all(isinstance(row, list) and len(row) == width and all(map(_is_number, row)) for row in found)


def _is_number(value: object) -> bool:
    return value is not None and is_value(value)


def _count(version: HostedVersion, rows: int, caller: Caller) -> uuid.UUID:
    event_id = new_id()
    return usage.charge(
        kind=PREDICTIONS,
        quantity=rows,
        limit=None,
        receipt={
            "mode": caller.mode,
            "model": version.model.name,
            "model_version": version.number,
            "model_version_id": str(version.id),
            "model_sha256": version.sha256,
            "request_id": request_context.current().request_id,
        },
        request_id=f"req_{event_id.hex}",
        key_id=caller.key_id,
        user_id=caller.user_id,
        event_id=event_id,
        mode=caller.mode,
    )


def _invalid(faults: list[FieldError]) -> InvalidInstances:
    told = faults[:MOST_FAULTS]
    return InvalidInstances(count=len(told), first=f"{told[0].pointer}: {told[0].detail}", errors=told)


def _escape(part: str) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")[:80]
