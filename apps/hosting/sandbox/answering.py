"""From rows to answers that the signature promised: finite numbers of the right shape, or a ``Fault``."""

from __future__ import annotations

from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from apps.hosting.sandbox.faults import Fault

Floats = NDArray[np.float64]
TOLERANCE: Final = 1e-3  # of the sum of probabilities, which float32 and quantised models round


class Model(Protocol):
    """A loaded model of any format."""

    def describe(self) -> dict[str, Any]:
        """Format, features, outputs and what else a person wants to know."""

    def outputs(self, rows: Floats) -> NDArray[Any]:
        """What the model says to rows f8[R, F], as it says it."""


def answer(model: Model, signature: dict[str, Any], rows: list[list[float | None]]) -> list[Any]:
    """A number for each row, or a list of probabilities in the order of the signature's classes."""
    given = np.array(rows, dtype=np.float64).reshape(len(rows), len(signature["features"]))
    found = np.asarray(model.outputs(given))
    if found.dtype.kind not in "fiu":
        raise Fault("not_numbers", f"The model answers with values of type {found.dtype}, not with numbers.")
    shaped = _shaped(found.astype(np.float64), len(rows), signature)
    if not np.isfinite(shaped).all():
        row = int(np.argwhere(~np.isfinite(shaped))[0][0])
        raise Fault("not_finite", f"The model's answer to row {row} is not a finite number.")
    if signature["output"] == "probabilities":
        _check_probabilities(shaped)
    return shaped.tolist()  # type: ignore[no-any-return]


def _shaped(found: Floats, rows: int, signature: dict[str, Any]) -> Floats:
    if signature["output"] == "regression":
        if found.shape in ((rows,), (rows, 1)):
            return found.reshape(rows)
        raise _wrong_shape(found, f"[{rows}] or [{rows}, 1] for a regression")
    classes = len(signature["classes"])
    if classes == 2 and found.shape in ((rows,), (rows, 1)):  # of the second class alone
        second = found.reshape(rows)
        return np.stack([1 - second, second], axis=1)
    if found.shape == (rows, classes):
        return found
    raise _wrong_shape(found, f"[{rows}, {classes}] for probabilities of {classes} classes")


def _wrong_shape(found: Floats, wanted: str) -> Fault:
    return Fault("wrong_shape", f"The model answers with the shape {list(found.shape)}; it must be {wanted}.")


def _check_probabilities(found: Floats) -> None:
    inside = (found >= -TOLERANCE) & (found <= 1 + TOLERANCE)
    if not inside.all() or not np.allclose(found.sum(axis=1), 1, atol=TOLERANCE):
        raise Fault(
            "no_probabilities",
            "The model's answers are no probabilities: each must be from 0 to 1, and a row's must add up to 1.",
        )
