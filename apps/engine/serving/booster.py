"""LightGBM's text model through ctypes on the wheel's shared library, without importing the Python
package.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.engine import errors

FLOAT64, NORMAL_PREDICTION, ROW_MAJOR, ALL_TREES = 1, 0, 1, -1
ONE_THREAD = b"num_threads=1"


@functools.cache
def library() -> ctypes.CDLL:
    """The shared library of the installed LightGBM wheel."""
    spec = importlib.util.find_spec("lightgbm")
    if spec is None or spec.origin is None:
        raise errors.BundleDamaged(reason="it holds a LightGBM model and LightGBM is not installed here")
    found = ctypes.CDLL(str(Path(spec.origin).parent / "lib" / "lib_lightgbm.so"))
    found.LGBM_GetLastError.restype = ctypes.c_char_p
    return found


class Booster:
    """A loaded tree model. Predicting takes only a shared lock inside the library, so threads may share
    it.
    """

    def __init__(self, text: str) -> None:
        self._handle = ctypes.c_void_p()
        iterations, features = ctypes.c_int(0), ctypes.c_int(0)
        lib = library()
        _check(
            lib.LGBM_BoosterLoadModelFromString(
                text.encode(), ctypes.byref(iterations), ctypes.byref(self._handle)
            )
        )
        weakref.finalize(self, lib.LGBM_BoosterFree, self._handle)
        _check(lib.LGBM_BoosterGetNumFeature(self._handle, ctypes.byref(features)))
        self.iterations, self.features = iterations.value, features.value

    def predict(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Raw scores f8[R] of the rows f8[R, F]."""
        x = np.ascontiguousarray(x, np.float64)
        if x.ndim != 2 or x.shape[1] != self.features:
            raise errors.BundleDamaged(
                reason=f"its trees take {self.features} features, {x.shape[-1]} were made"
            )
        out = np.empty(len(x))
        length = ctypes.c_int64(0)
        _check(
            library().LGBM_BoosterPredictForMat(
                self._handle, _pointer(x), FLOAT64, ctypes.c_int32(x.shape[0]), ctypes.c_int32(x.shape[1]),
                ROW_MAJOR, NORMAL_PREDICTION, 0, ALL_TREES, ONE_THREAD, ctypes.byref(length), _pointer(out),
            )
        )  # fmt: skip
        return out


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _check(code: int) -> None:
    if code != 0:
        message = library().LGBM_GetLastError().decode(errors="replace")
        raise errors.BundleDamaged(reason=f"LightGBM says: {message}")
