"""LightGBM's text model through ctypes on the wheel's shared library, without importing the Python
package.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import re
import threading
import weakref
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from apps.engine import errors

FLOAT64, ROW_MAJOR, ALL_TREES = 1, 1, -1
ANSWER, RAW, CONTRIBUTIONS = 0, 1, 3
ONE_THREAD = b"num_threads=1"
FEW_ROWS: Final = 4  # from there on one call for all rows takes less time than a fast call for each
FOLDERS = ("lib", "bin", ".")
SIZES: Final = re.compile(r"^tree_sizes=.*\n", re.MULTILINE)

Floats = NDArray[np.float64]


@functools.cache
def library() -> ctypes.CDLL:
    """The shared library of the installed LightGBM wheel, by whatever name this platform gives it."""
    spec = importlib.util.find_spec("lightgbm")
    if spec is None or spec.origin is None:
        raise errors.BundleDamaged(reason="it holds a LightGBM model and LightGBM is not installed here")
    found = ctypes.CDLL(str(library_path(Path(spec.origin).parent)))
    found.LGBM_GetLastError.restype = ctypes.c_char_p
    return found


def library_path(package: Path) -> Path:
    """`lib_lightgbm.so`, `.dylib` or `.dll` inside the folder of the package."""
    for folder in FOLDERS:
        for path in sorted((package / folder).glob("*lib_lightgbm.*")):
            if path.suffix in (".so", ".dylib", ".dll"):
                return path
    raise errors.BundleDamaged(reason="it holds a LightGBM model and LightGBM's library is missing here")


class Booster:
    """A loaded tree model. Predicting many rows takes only a shared lock inside the library, few rows a lock
    of this object, so threads may share it.
    """

    def __init__(self, text: str) -> None:
        self._handle, fast = ctypes.c_void_p(), ctypes.c_void_p()
        iterations, features, classes = ctypes.c_int(0), ctypes.c_int(0), ctypes.c_int(0)
        lib = library()
        weakref.finalize(self, _free, fast, self._handle)
        _check(
            lib.LGBM_BoosterLoadModelFromString(
                _in_order(text).encode(), ctypes.byref(iterations), ctypes.byref(self._handle)
            )
        )
        _check(lib.LGBM_BoosterGetNumFeature(self._handle, ctypes.byref(features)))
        _check(lib.LGBM_BoosterGetNumClasses(self._handle, ctypes.byref(classes)))
        self.iterations, self.features, self.classes = iterations.value, features.value, classes.value
        self._one_row = _OneRow(self._handle, fast, self.features)

    def predict(self, x: Floats) -> Floats:
        """Raw scores f8[R] of the rows f8[R, F]."""
        x = self._checked(x)
        return self._one_row.predict(x) if len(x) <= FEW_ROWS else self._many(x, RAW, 1)[:, 0]

    def answers(self, x: Floats) -> Floats:
        """Answers f8[R, C] to the rows f8[R, F] in the units of what was learned; C is 1 but for multiclass models."""
        return self._many(self._checked(x), ANSWER, self.classes)

    def contributions(self, x: Floats) -> Floats:
        """SHAP values f8[R, F + 1] of the rows f8[R, F], the expected value last; a row's sum is its raw score."""
        return self._many(self._checked(x), CONTRIBUTIONS, self.features + 1)

    def _checked(self, x: Floats) -> Floats:
        if x.ndim != 2 or x.shape[1] != self.features:
            raise errors.BundleDamaged(
                reason=f"its trees take {self.features} features, {x.shape[-1]} were made"
            )
        return np.ascontiguousarray(x, np.float64)

    def _many(self, x: Floats, kind: int, width: int) -> Floats:
        out = np.empty((len(x), width))
        length = ctypes.c_int64(0)
        _check(
            library().LGBM_BoosterPredictForMat(
                self._handle, _pointer(x), FLOAT64, ctypes.c_int32(x.shape[0]), ctypes.c_int32(x.shape[1]),
                ROW_MAJOR, kind, 0, ALL_TREES, ONE_THREAD, ctypes.byref(length), _pointer(out),
            )
        )  # fmt: skip
        return out


class _OneRow:
    """The library's fast way for single rows: everything is set up once, one row and one score stay in place.

    The library allows one thread at a time for such a set-up, and so does the buffer; hence the lock.
    """

    def __init__(self, booster: ctypes.c_void_p, config: ctypes.c_void_p, features: int) -> None:
        self._row, self._score = np.empty(features), np.empty(1)
        self._lock = threading.Lock()
        _check(
            library().LGBM_BoosterPredictForMatSingleRowFastInit(
                booster, RAW, 0, ALL_TREES, FLOAT64, ctypes.c_int32(features), ONE_THREAD,
                ctypes.byref(config),
            )
        )  # fmt: skip
        self._length = ctypes.c_int64(0)
        self._arguments = (
            config, _pointer(self._row), ctypes.byref(self._length), _pointer(self._score),
        )  # fmt: skip

    def predict(self, x: Floats) -> Floats:
        """Raw scores of a few rows; f8[R]."""
        ask = library().LGBM_BoosterPredictForMatSingleRowFast
        out = np.empty(len(x))
        with self._lock:
            for i, row in enumerate(x):
                self._row[:] = row
                _check(ask(*self._arguments))
                out[i] = self._score[0]
        return out


def _in_order(text: str) -> str:
    """The text without the sizes by which the library reads trees side by side: there a damaged one ends the process, while one
    read after the other is reported."""
    return SIZES.sub("", text, count=1)


def _free(fast: ctypes.c_void_p, booster: ctypes.c_void_p) -> None:
    """Give back the set-up, then the model that it points to; either may never have come to be."""
    library().LGBM_FastConfigFree(fast)
    library().LGBM_BoosterFree(booster)


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _check(code: int) -> None:
    if code != 0:
        message = library().LGBM_GetLastError().decode(errors="replace")
        raise errors.BundleDamaged(reason=f"LightGBM says: {message}")
