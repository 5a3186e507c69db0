"""Almanac's forecasting engine: pure functions over panels, no framework.

    from apps.engine import Spec, forecast, from_columns, load_bundle, train

Importing this package imports nothing else; each name loads its module when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Panel": "panel",
    "from_columns": "panel",
    "Frequency": "frequency",
    "infer": "frequency",
    "EngineError": "errors",
    "Spec": "contracts",
    "TrainResult": "contracts",
    "Candidate": "contracts",
    "Event": "contracts",
    "Result": "contracts",
    "Pretrained": "pretrained",
    "forecast": "forecasting",
    "train": "training",
    "load_bundle": "serving",
    "LoadedBundle": "serving",
    "Prediction": "serving",
    "Explanation": "explain",
}

__all__ = [
    "Candidate",
    "EngineError",
    "Event",
    "Explanation",
    "Frequency",
    "LoadedBundle",
    "Panel",
    "Prediction",
    "Pretrained",
    "Result",
    "Spec",
    "TrainResult",
    "forecast",
    "from_columns",
    "infer",
    "load_bundle",
    "train",
]

if TYPE_CHECKING:
    from apps.engine.contracts import Candidate, Event, Result, Spec, TrainResult
    from apps.engine.errors import EngineError
    from apps.engine.explain import Explanation
    from apps.engine.forecasting import forecast
    from apps.engine.frequency import Frequency, infer
    from apps.engine.panel import Panel, from_columns
    from apps.engine.pretrained import Pretrained
    from apps.engine.serving import LoadedBundle, Prediction, load_bundle
    from apps.engine.training import train


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
