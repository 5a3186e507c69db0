"""XGBoost's JSON and UBJ models, through ctypes on the wheel's shared library: its Python package would bring pandas along."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from apps.hosting.sandbox.answering import Floats
from apps.hosting.sandbox.faults import Fault

_ASK: Final = json.dumps(
    {"type": 0, "training": False, "iteration_begin": 0, "iteration_end": 0, "strict_shape": False,
     "missing": float("nan"), "cache_id": 0}
).encode()  # fmt: skip


@functools.cache
def library() -> ctypes.CDLL:
    """The shared library of the installed wheel."""
    spec = importlib.util.find_spec("xgboost")
    if spec is None or spec.origin is None:
        raise Fault("no_xgboost", "XGBoost is not installed on this server. Bring the model as ONNX.")
    found = ctypes.CDLL(str(Path(spec.origin).parent / "lib" / "libxgboost.so"))
    found.XGBGetLastError.restype = ctypes.c_char_p
    return found


class XgboostModel:
    """Trees, or a linear model, as XGBoost saves them."""

    def __init__(self, data: bytes, signature: dict[str, Any]) -> None:
        self._handle = ctypes.c_void_p()
        _check(library().XGBoosterCreate(None, ctypes.c_uint64(0), ctypes.byref(self._handle)))
        _check(library().XGBoosterLoadModelFromBuffer(self._handle, data, ctypes.c_uint64(len(data))))
        _check(library().XGBoosterSetParam(self._handle, b"nthread", b"1"))
        features, wanted = ctypes.c_uint64(0), len(signature["features"])
        _check(library().XGBoosterGetNumFeature(self._handle, ctypes.byref(features)))
        if features.value != wanted:
            raise Fault(
                "wrong_features", f"The model takes {features.value} features, the signature names {wanted}."
            )

    def describe(self) -> dict[str, Any]:
        """How many rounds it was boosted."""
        rounds = ctypes.c_int(0)
        _check(library().XGBoosterBoostedRounds(self._handle, ctypes.byref(rounds)))
        return {"format": "xgboost", "iterations": rounds.value}

    def outputs(self, rows: Floats) -> NDArray[Any]:
        """In the units of what it was trained on."""
        given = np.ascontiguousarray(rows, np.float32)
        interface = json.dumps(
            {"data": [given.ctypes.data, True], "shape": list(given.shape), "typestr": "<f4", "version": 3}
        )
        shape, dimensions = ctypes.POINTER(ctypes.c_uint64)(), ctypes.c_uint64(0)
        result = ctypes.POINTER(ctypes.c_float)()
        _check(
            library().XGBoosterPredictFromDense(
                self._handle, interface.encode(), _ASK, None, ctypes.byref(shape),
                ctypes.byref(dimensions), ctypes.byref(result),
            )
        )  # fmt: skip
        sizes = tuple(shape[i] for i in range(dimensions.value))
        return np.ctypeslib.as_array(result, sizes).astype(np.float64)


def _check(code: int) -> None:
    if code != 0:
        told = library().XGBGetLastError().decode(errors="replace")
        first = " ".join(told.split("Stack trace")[0].split())[:300]
        raise Fault("damaged", f"XGBoost says: {first}")
