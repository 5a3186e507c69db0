"""What looks on while candidates are tried and keeps what they found, so that a training which was cut short goes on.

A finished candidate's forecasts are kept under a key: the hash of what they depend on (the windows with all their data,
horizon, seed, patience, candidate, the engine's code and the versions of its libraries). JSON and npz, never a pickle.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from apps.engine.backtest import Outcome, Window
from apps.engine.contracts import Candidate
from apps.engine.forecasters import FitContext, Forecaster

LIBRARIES = ("numpy", "statsforecast", "lightgbm", "scipy")
Stage = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True)
class Standing:
    """Where a candidate stands: its line once it was tried; `restored` where an earlier attempt had done it."""

    name: str
    label: str
    stage: Stage
    line: Candidate | None = None
    restored: bool = False


class Desk(Protocol):
    """Keeps finished candidates by their key and shows how all of them stand; must not raise for what is lost."""

    def find(self, key: str) -> bytes | None:
        """What was kept under the key; None where nothing was."""
        ...

    def keep(self, key: str, data: bytes) -> None:
        """Keep a finished candidate."""
        ...

    def show(self, standings: Sequence[Standing]) -> None:
        """Told whenever a candidate begins or ends."""
        ...


@dataclass(frozen=True)
class Done:
    """A candidate's backtest, and the seconds it took."""

    outcome: Outcome
    seconds: float


def pack(done: Done) -> bytes:
    """Bytes that `unpack` reads."""
    told = {
        "windows": len(done.outcome.forecasts),
        "seconds": done.seconds,
        "hints": dict(done.outcome.hints),
        "reasons": dict(done.outcome.reasons),
    }
    arrays = {f"forecasts{k}": each for k, each in enumerate(done.outcome.forecasts)}
    arrays |= {f"sigmas{k}": each for k, each in enumerate(done.outcome.sigmas)}
    out = io.BytesIO()
    np.savez_compressed(out, told=np.frombuffer(json.dumps(told).encode(), np.uint8), **arrays)  # type: ignore[arg-type] # numpy's stub takes `allow_pickle` for the arrays' type
    return out.getvalue()


def unpack(data: bytes, windows: Sequence[Window], horizon: int) -> Done | None:
    """What `pack` wrote; None where it is not that, or not of these windows."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as held:
            told: dict[str, Any] = json.loads(held["told"].tobytes())
            forecasts = [np.asarray(held[f"forecasts{k}"], np.float64) for k in range(told["windows"])]
            sigmas = [np.asarray(held[f"sigmas{k}"], np.float64) for k in range(told["windows"])]
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):
        return None
    shapes = [(len(window.rows), horizon) for window in windows]
    if [each.shape for each in forecasts] != shapes or [each.shape for each in sigmas] != shapes:
        return None
    return Done(Outcome(forecasts, sigmas, told["hints"], told["reasons"]), float(told["seconds"]))


def digest(windows: Sequence[Window], context: FitContext) -> str:
    """The hash of what any candidate's forecasts in these windows depend on; `key` adds the candidate."""
    trees = context.pretrained.sha256 if context.pretrained else ""
    found = hashlib.sha256(f"{code()}|{context.horizon}|{context.seed}|{context.patience}|{trees}".encode())
    for window in windows:
        for name, part in _parts(window):
            found.update(f"|{name}:{part.dtype}:{part.shape}|".encode())
            found.update(np.ascontiguousarray(part).tobytes())
        told = {
            "ids": window.panel.series_ids,
            "static": {name: list(values) for name, values in window.panel.static.items()},
        }
        found.update(json.dumps(told, default=str, sort_keys=True).encode())
    return found.hexdigest()


def key(windows_digest: str, forecaster: Forecaster) -> str:
    """Under which a candidate's backtest is kept."""
    return hashlib.sha256(f"{windows_digest}|{forecaster.name}".encode()).hexdigest()


def _parts(window: Window) -> Iterator[tuple[str, np.ndarray]]:
    panel = window.panel
    yield "values", panel.values
    yield "indptr", panel.indptr
    yield "ds", panel.ds
    yield "seasons", np.asarray(panel.frequency.seasons)
    yield f"frequency {panel.frequency.alias}", np.zeros(0)
    for kind, columns in (("known", panel.known_future), ("past", panel.past), ("future", panel.future)):
        for name in sorted(columns):
            yield f"{kind} {name}", columns[name]
    yield from (("rows", window.rows), ("lower", window.lower), ("upper", window.upper))


@functools.cache
def code() -> str:
    """A hash of the engine's own source and the versions of the libraries that forecast."""
    found = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        found.update(str(path.relative_to(root)).encode())
        found.update(path.read_bytes())
    for library in LIBRARIES:
        found.update(f"{library} {metadata.version(library)}".encode())
    return found.hexdigest()
