"""A bundle serves what was trained, without the training libraries, and refuses to be tampered with."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from apps.engine import Spec, TrainResult, bundle, errors, load_bundle, train
from apps.engine.forecasters import REGISTRY, FitContext
from apps.engine.forecasters.local import unit_of
from apps.engine.forecasters.theta import REACH

from . import ensembles, panels

HEAVY = (
    "pandas",
    "sklearn",
    "lightgbm",
    "statsforecast",
    "shap",
    "mlflow",
    "polars",
    "scipy",
    "numba",
    "django",
)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def trained() -> TrainResult:
    """A LightGBM bundle with covariates."""
    spec = Spec(14, effort="fast", candidates=("lightgbm_global",), future_covariates="request", windows=3)
    return train(panels.retail(), spec)


def rewritten(data: bytes, change) -> bytes:
    """The bundle with each entry passed through `change(name, content)`; None leaves it out."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return buffer.getvalue()


def test_a_loaded_bundle_describes_itself(trained):
    loaded = load_bundle(trained.bundle, trained.sha256)
    assert loaded.meta.kind == loaded.meta.name == "lightgbm_global"
    assert loaded.meta.horizon_max == 14
    assert loaded.meta.series_ids == tuple(f"series-{s}" for s in range(4))
    assert loaded.meta.covariates == ("price", "promotion")
    assert loaded.meta.sha256 == trained.sha256
    assert loaded.meta.cutoff == "2015-07-19T00:00:00"


def test_a_bundle_loads_from_a_path(trained, tmp_path):
    path = tmp_path / "model.bundle"
    path.write_bytes(trained.bundle)
    assert load_bundle(path, trained.sha256).meta.sha256 == trained.sha256


def test_the_forecast_has_the_right_shape_dates_and_nested_bands(trained):
    forecast = load_bundle(trained.bundle).predict(["series-2", "series-0"], 5, [95, 50, 80])
    assert forecast.series_ids == ("series-2", "series-0")
    assert forecast.mean.shape == (2, 5)
    assert str(forecast.ds[0][0]) == "2015-07-20T00:00:00"
    assert list(forecast.bands) == [50, 80, 95]
    for inner, outer in ((50, 80), (80, 95)):
        assert (forecast.bands[outer].lo <= forecast.bands[inner].lo).all()
        assert (forecast.bands[outer].hi >= forecast.bands[inner].hi).all()
    assert (forecast.bands[50].lo <= forecast.mean).all()
    assert (forecast.bands[50].hi >= forecast.mean).all()


def test_the_history_is_the_end_of_the_training_series(trained):
    ds, y = load_bundle(trained.bundle).history("series-1")
    assert len(y) >= 100
    assert y.tolist() == panels.retail().series(1)[-len(y) :].tolist()
    assert str(ds[-1]) == "2015-07-19T00:00:00"


def test_covariates_of_a_request_move_the_forecast_and_clear_the_flag(trained):
    loaded = load_bundle(trained.bundle)
    plain = loaded.predict(["series-0"], 3, ())
    future = {"series-0": {"price": [10.0] * 3, "promotion": [1.0, 1.0, 1.0]}}
    promoted = loaded.predict(["series-0"], 3, (), future)
    assert plain.flags[0] == ("covariate_carried_forward",)
    assert promoted.flags[0] == ()
    assert (promoted.mean > 1.3 * plain.mean).all()


@pytest.mark.parametrize(
    ("future", "words"),
    [
        ({"series-0": {"price": [1.0]}}, "1 values, the horizon is 3"),
        ({"series-0": {"weather": [1.0] * 3}}, "weather"),
        ({"series-0": {"price": [1.0, float("nan"), 1.0]}}, "finite"),
        ({"series-3": {"price": [1.0] * 3}}, "not asked for"),
    ],
)
def test_covariates_that_do_not_fit_are_refused(trained, future, words):
    with pytest.raises(errors.InvalidCovariate, match=words):
        load_bundle(trained.bundle).predict(["series-0"], 3, (), future)


@pytest.mark.parametrize("horizon", [0, -1, 15, 10**9, "7", 2.0, True, None])
def test_a_horizon_out_of_range_is_refused(trained, horizon):
    with pytest.raises(errors.InvalidHorizon) as caught:
        load_bundle(trained.bundle).predict(None, horizon, ())
    assert caught.value.fields["horizon_max"] == 14


def test_an_unknown_series_is_named(trained):
    with pytest.raises(errors.UnknownSeries, match="nobody"):
        load_bundle(trained.bundle).predict(["series-0", "nobody"], 3, ())


def test_a_wrong_hash_is_refused(trained):
    with pytest.raises(errors.BundleDamaged, match="SHA-256"):
        load_bundle(trained.bundle, "0" * 64)


@pytest.mark.parametrize("data", [b"", b"not a bundle", b"PK\x03\x04 broken"])
def test_what_is_no_bundle_is_refused(data):
    with pytest.raises(errors.BundleDamaged):
        load_bundle(data)


@pytest.mark.parametrize(
    "entry", ["meta.json", "arrays/weights.npy", "texts/members/1/model.txt", "arrays/scales.npy"]
)
def test_a_missing_part_is_refused(trained, entry):
    data = rewritten(trained.bundle, lambda name, content: None if name == entry else content)
    with pytest.raises(errors.BundleDamaged):
        load_bundle(data)


def test_a_changed_model_does_not_reproduce_its_vectors(trained):
    def change(name: str, content: bytes) -> bytes:
        if name != "arrays/tails/values.npy":
            return content
        values = bundle._array(content) * 1.001
        return bundle._npy(values)

    with pytest.raises(errors.BundleDamaged, match="test vector"):
        load_bundle(rewritten(trained.bundle, change))


def test_a_pickle_inside_is_refused(trained):
    buffer = io.BytesIO()
    np.save(buffer, np.asarray([{"a": 1}], object), allow_pickle=True)
    data = rewritten(trained.bundle, lambda n, c: buffer.getvalue() if n == "arrays/scales.npy" else c)
    with pytest.raises(errors.BundleDamaged):
        load_bundle(data)


def test_a_compressed_entry_is_refused(trained):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("meta.json", json.dumps({"format": 1}) + " " * 10_000)
    with pytest.raises(errors.BundleDamaged, match="stored"):
        load_bundle(buffer.getvalue())


def test_a_later_format_is_refused_as_such(trained):
    def change(name: str, content: bytes) -> bytes:
        return json.dumps({**json.loads(content), "format": 99}).encode() if name == "meta.json" else content

    with pytest.raises(errors.BundleTooNew, match="99"):
        load_bundle(rewritten(trained.bundle, change))


def test_a_bundle_in_hand_cannot_be_changed(trained):
    loaded = load_bundle(trained.bundle)
    with pytest.raises(ValueError, match="read-only"):
        loaded.tails.values[0] = 1.0


def test_serving_imports_none_of_the_training_libraries(tmp_path):
    data = ensembles.five(panels.retail())
    path = tmp_path / "model.bundle"
    path.write_bytes(data)
    script = f"""
import sys, json
from apps.engine import load_bundle
loaded = load_bundle({str(path)!r}, {bundle.digest(data)!r})
mean = loaded.predict(None, 14, (80, 95)).mean
loaded.components(None, 14), loaded.samples(None, 14, 10, 0)
print(json.dumps({{"loaded": [m for m in {HEAVY!r} if m in sys.modules], "mean": mean.tolist()}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout)
    assert answer["loaded"] == []
    assert np.array_equal(answer["mean"], load_bundle(data).predict(None, 14, ()).mean)


@pytest.mark.parametrize("name", ensembles.ALL)
def test_a_loaded_bundle_forecasts_as_the_fitted_forecaster_does(name):
    panel = panels.monthly()
    expected = ensembles.fitted(name, panel).predict(np.arange(4), 14).mean
    found = load_bundle(ensembles.packed(name, panel)).predict(None, 14).mean
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("horizon", [1, 3, 14])
def test_an_ensemble_is_the_weighted_mean_of_its_members(horizon):
    panel = panels.monthly()
    shares = np.asarray([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [0.0, 0.4, 0.6], [0.0, 0.0, 1.0]])
    names = ("theta", "auto_ets", "lightgbm_global")
    each = [ensembles.fitted(name, panel).predict(np.arange(4), 14).mean for name in names]
    expected = np.einsum("sm,msh->sh", shares, np.stack(each))[:, :horizon]
    found = load_bundle(ensembles.ensemble(names, panel, weights=shares)).predict(None, horizon)
    assert found.mean == pytest.approx(expected, rel=1e-9)


def test_many_series_get_the_numbers_of_each_by_itself():
    loaded = load_bundle(ensembles.five(panels.monthly(30)))
    whole = loaded.predict(None, 14).mean
    each = np.concatenate([loaded.predict([name], 14).mean for name in loaded.meta.series_ids])
    assert np.array_equal(whole, each)


def test_trees_through_the_shared_library_equal_lightgbm_itself():
    import lightgbm

    panel = panels.retail()
    fitted = REGISTRY["lightgbm_global"].fit(panel, FitContext(7))
    future = {name: np.ones(7) for name in panel.known_future}
    made = fitted.predictor.design(1, 7, future)
    raw = np.asarray(lightgbm.Booster(model_str=fitted.state.text).predict(made.x))
    found = fitted.predict(np.asarray([1]), 7, {name: block[None, :] for name, block in future.items()}).mean[
        0
    ]
    assert found == pytest.approx(made.value(raw)[0], rel=1e-12)


@pytest.mark.parametrize(
    "form", ["ANN", "AAN", "AAdN", "ANA", "AAA", "AAdA", "MNM", "MAM", "MAdM", "MNA", "MAdA", "MAN"]
)
def test_smoothing_equals_statsforecast(form):
    from statsforecast.ets import ets_f, forecast_ets

    from apps.engine.forecasters.auto_ets import _forecast, smooth

    y = panels.seasonal(1, 80)[0]
    model = ets_f(y, m=12, model=form[0] + form[1] + form[-1], damped="d" in form)
    one = smooth(y, 12, 30, form)
    assert one.form == form
    assert _forecast(one, 30) == pytest.approx(forecast_ets(model, 30)["mean"], rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_theta_equals_statsforecast(seed):
    from statsforecast.theta import auto_theta, forecast_theta

    y = panels.seasonal(1, 90, 12, seed)[0] * np.linspace(1, 1 + seed, 90)
    fitted = REGISTRY["theta"].fit(panels.build([y]), FitContext(30))
    unit = unit_of(y, REACH)
    expected = forecast_theta(auto_theta(y / unit, m=12, model="DOTM"), 30)["mean"] * unit
    assert fitted.predict(np.asarray([0]), 30).mean[0] == pytest.approx(expected, rel=1e-9)
