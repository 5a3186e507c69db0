"""A bundle of every format that was ever written loads and says what it said when it was written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from apps.engine import bundle, load_bundle

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
    if "level" in EXPECTED[name]:
        level = loaded.components(None, loaded.meta.horizon_max).of("level")
        assert level == pytest.approx(np.asarray(EXPECTED[name]["level"]), rel=1e-9)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_kept_bundle_of_any_format_has_components_and_sample_paths(name):
    loaded = load_bundle(FOLDER / name)
    found = loaded.components(None, loaded.meta.horizon_max)
    total = sum(part.values for part in found.parts)
    assert total == pytest.approx(found.mean, rel=1e-9)
    paths = loaded.samples(None, loaded.meta.horizon_max, 20, 0)
    assert paths.shape == (len(found.series_ids), 20, loaded.meta.horizon_max)
    assert np.isfinite(paths).all()


def test_every_format_is_kept():
    assert {int(name.partition("-")[0]) for name in EXPECTED} == set(range(1, bundle.FORMAT + 1))
