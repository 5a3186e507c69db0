"""The shared library's trees give the numbers of the Python package, for one row and for many."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import numpy as np
import pytest

from apps.engine import errors
from apps.engine.serving import booster
from apps.engine.serving.booster import FEW_ROWS, Booster, library_path

from . import ensembles, panels


@pytest.fixture(scope="module")
def text() -> str:
    found = ensembles.fitted("lightgbm_global", panels.retail()).state.text
    assert found is not None
    return found


@pytest.fixture(scope="module")
def x(text) -> np.ndarray:
    rows = np.random.default_rng(0).normal(size=(40, Booster(text).features))
    rows[3, 5] = np.nan
    return rows


@pytest.mark.parametrize("rows", [0, 1, 2, FEW_ROWS, FEW_ROWS + 1, 40])
def test_scores_equal_those_of_the_python_package(text, x, rows):
    import lightgbm

    expected = lightgbm.Booster(model_str=text).predict(x) if rows else np.zeros(0)
    assert Booster(text).predict(x[:rows]) == pytest.approx(expected[:rows], rel=1e-12)


def test_contributions_equal_those_of_the_python_package_and_add_up(text, x):
    import lightgbm

    found = Booster(text).contributions(x)
    assert found == pytest.approx(lightgbm.Booster(model_str=text).predict(x, pred_contrib=True), rel=1e-9)
    assert found.sum(axis=1) == pytest.approx(Booster(text).predict(x), abs=1e-12)


def test_threads_that_share_a_model_get_their_own_rows_scores(text, x):
    model = Booster(text)
    expected = model.predict(x)
    wrong: list[int] = []

    def ask(start: int) -> None:
        for i in range(2000):
            row = (start + i) % len(x)
            if model.predict(x[row : row + 1])[0] != expected[row]:
                wrong.append(row)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_models_that_come_and_go_leave_the_others_alone(text, x):
    kept = Booster(text)
    expected = kept.predict(x[:1])
    for _ in range(20):
        Booster(text).predict(x[:1])
        gc.collect()
    assert kept.predict(x[:1]) == expected


def test_rows_of_another_width_are_refused(text, x):
    with pytest.raises(errors.BundleDamaged, match="features"):
        Booster(text).predict(x[:, :-1])


@pytest.mark.parametrize("broken", ["", "not a model", "tree\nversion=v4\n"])
def test_a_text_that_is_no_model_is_refused(broken):
    with pytest.raises(errors.BundleDamaged, match="LightGBM"):
        Booster(broken)


@pytest.mark.parametrize("name", ["lib/lib_lightgbm.so", "lib/lib_lightgbm.dylib", "bin/lib_lightgbm.dll"])
def test_the_library_is_found_by_the_name_its_platform_gives_it(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir()
    path.touch()
    (path.parent / "lib_lightgbm.lib").touch()
    assert library_path(tmp_path) == path


def test_a_package_without_its_library_is_refused(tmp_path):
    with pytest.raises(errors.BundleDamaged, match="library"):
        library_path(tmp_path)


def test_the_installed_library_is_the_wheel_s_own():
    import lightgbm

    assert library_path(Path(lightgbm.__file__).parent).suffix in (".so", ".dylib", ".dll")
    assert booster.library() is booster.library()


@pytest.mark.parametrize(
    "damage", [lambda t: t[: len(t) // 2], lambda t: t.replace("num_leaves=", "num_leaves=9", 1)]
)
def test_a_text_that_is_damaged_within_a_tree_is_refused_and_ends_no_process(text, damage):
    with pytest.raises(errors.BundleDamaged):
        Booster(damage(text))
