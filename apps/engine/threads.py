"""A process that works beside others: one thread for each native library, and no life beyond its parent's.

Nothing heavy is imported here: a library reads the variables when it is loaded, so they are set before it is.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
)


def one_thread() -> None:
    """Bound BLAS, OpenMP (and so LightGBM), numba and polars to one thread each in this process.

    A library that the main module had loaded before is bounded by threadpoolctl where that is installed.
    """
    os.environ.update(dict.fromkeys(VARIABLES, "1"))
    if "numpy" in sys.modules:
        _bound_loaded()


def begin() -> None:
    """What a spawned worker does first: bound its threads, and watch its parent."""
    one_thread()
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()


def _end_with_parent() -> None:
    """A parent that is killed cannot tell its workers, and they would wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _bound_loaded() -> None:
    try:
        import threadpoolctl
    except ImportError:
        return
    threadpoolctl.threadpool_limits(limits=1)
