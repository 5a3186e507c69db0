"""Writes the kept bundles of the present format, and what they forecast into expected.json.

    .venv/bin/python -m tests.engine.bundles.make

Run it once, when the format's number has gone up or a new kind of member has come; a bundle that is there already is
never written again, since it stands for files that customers have. Add a line to MADE for a new one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np

from apps.engine import Spec, bundle, load_bundle, train
from apps.engine.forecasters import lightgbm_global
from apps.engine.update import update
from tests.engine import ensembles, panels

FOLDER = Path(__file__).parent
HORIZON = 6


def scaled_errors() -> np.ndarray:
    """Signed errors that grow with the step, as a backtest leaves them."""
    return np.cumsum(np.random.default_rng(2).normal(0, 0.3, (20, HORIZON)), axis=1).round(3)


def hourly() -> bytes:
    """A grid with a day and a week in it."""
    panel = panels.build(panels.seasonal(1, 240, 24), "h")
    return ensembles.packed("auto_ets", panel, HORIZON)


def ensemble() -> bytes:
    """Members of several kinds, weights of each series' own, one of them 0."""
    weights = np.asarray([[0.2, 0.3, 0.5], [0.6, 0.4, 0.0]])
    return ensembles.ensemble(("auto_ets", "theta", "paths"), panels.monthly(2, 48), HORIZON, weights)


def moved() -> bytes:
    """A bundle after an update."""
    panel = panels.monthly(2, 48)
    first = ensembles.ensemble(("auto_ets", "theta", "paths"), panel.head(panel.lengths - 3), HORIZON)
    return update(first, panel)


def few_trees() -> bytes:
    """Trees with covariates, few enough to keep."""
    with mock.patch.object(lightgbm_global, "TREES", 8):
        return ensembles.packed("lightgbm_global", panels.retail(2, 40), HORIZON)


def with_covariates() -> bytes:
    """Each kind of model of a whole panel, on covariates known ahead, covariates of the past alone and attributes."""
    plain = panels.retail(2, 40)
    visits = 7.0 * np.roll(plain.values, 1)
    panel = replace(plain, past={"visits": visits}, static={"region": ["north", "south"]})
    names = ("lightgbm_global", "lightgbm_recursive", "lightgbm_tweedie", "linear_global")
    with mock.patch.object(lightgbm_global, "TREES", 3):
        return ensembles.ensemble(names, panel, HORIZON)


def hierarchy() -> bytes:
    """Shops, their regions and the total, which add up."""
    regions, stores = list("NNSS"), list("1234")
    panel = replace(panels.monthly(4, 48), static={"region": regions, "store": stores})
    spec = Spec(HORIZON, hierarchy=("region", "store"), candidates=("theta", "auto_ets"))
    return train(panel, spec).bundle


def trained_before() -> bytes:
    """Trees that learnt on other series."""
    panel = panels.monthly(2, 48)
    with mock.patch.object(lightgbm_global, "TREES", 3):
        trees = panels.trained_before.__wrapped__(panel.frequency, HORIZON)
    return train(panel, Spec(HORIZON, forecaster="pretrained_global", pretrained=trees)).bundle


MADE: dict[str, Callable[[], bytes]] = {
    "paths": lambda: ensembles.packed("paths", panels.monthly(2, 48), HORIZON, scaled_errors()),
    "ensemble": ensemble,
    "hourly": hourly,
    "updated": moved,
    "lightgbm_global": few_trees,
    "covariates": with_covariates,
    "hierarchy": hierarchy,
    "pretrained": trained_before,
}


def main() -> int:
    expected = json.loads((FOLDER / "expected.json").read_text())
    for name, make in MADE.items():
        path = FOLDER / f"{bundle.FORMAT}-{name}.alm"
        if not path.exists():
            path.write_bytes(make())
            expected[path.name] = numbers(path)
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    return 0


def numbers(path: Path) -> dict[str, list[list[float]]]:
    """What the bundle says: mean, the upper end of its 80 % band, and the level in it."""
    loaded = load_bundle(path)
    horizon = loaded.meta.horizon_max
    found = loaded.predict(None, horizon, (80,))
    return {
        "mean": found.mean.tolist(),
        "hi-80": found.bands[80].hi.tolist(),
        "level": loaded.components(None, horizon).of("level").tolist(),
    }


if __name__ == "__main__":
    sys.exit(main())
