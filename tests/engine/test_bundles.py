"""A bundle of every format that was ever written loads and says what it said when it was written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from apps.engine import load_bundle

FOLDER = Path(__file__).parent / "bundles"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())


def test_every_kept_bundle_has_its_numbers_beside_it():
    assert set(EXPECTED) == {path.name for path in FOLDER.glob("*.alm")}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_kept_bundle_gives_the_same_forecast_as_ever(name):
    loaded = load_bundle(FOLDER / name)
    found = loaded.predict(None, loaded.meta.horizon_max, (80,))
    assert found.mean == pytest.approx(np.asarray(EXPECTED[name]["mean"]), rel=1e-9)
    assert found.bands[80].hi == pytest.approx(np.asarray(EXPECTED[name]["hi-80"]), rel=1e-9)
