"""The store of loaded bundles: bounded, shared, and each bundle loaded once however many threads want it."""

from __future__ import annotations

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from apps.engine import load_bundle
from apps.engine.errors import EngineError
from apps.engine.serving import LoadedBundle
from apps.forecasts.serving import predictor
from apps.forecasts.serving.contracts import BundleRef, ForecastQuery
from apps.forecasts.serving.store import BundleStore
from tests import trained


@pytest.fixture(scope="module")
def bundle() -> LoadedBundle:
    made = trained.naive()
    return load_bundle(made.bundle, made.sha256)


class Loader:
    """Counts what it loads, and takes its time."""

    def __init__(self, bundle: LoadedBundle, seconds: float = 0) -> None:
        self.bundle, self.seconds = bundle, seconds
        self.loaded: list[str] = []

    def __call__(self, ref: BundleRef) -> LoadedBundle:
        self.loaded.append(ref.sha256)
        time.sleep(self.seconds)
        return self.bundle


def ref(name: str, size: int = 10) -> BundleRef:
    return BundleRef(sha256=name, path=name, size=size)


def test_a_bundle_that_is_there_is_not_loaded_again(bundle: LoadedBundle) -> None:
    store, load = BundleStore(100), Loader(bundle)
    assert store.get(ref("a"), load) is store.get(ref("a"), load)
    assert load.loaded == ["a"]


def test_the_least_recently_used_one_goes_first(bundle: LoadedBundle) -> None:
    store, load = BundleStore(30), Loader(bundle)
    for name in ("a", "b", "c", "a", "d", "a", "c", "b"):
        store.get(ref(name), load)
    assert load.loaded == ["a", "b", "c", "d", "b"]


def test_one_larger_than_the_store_is_kept_alone(bundle: LoadedBundle) -> None:
    store, load = BundleStore(30), Loader(bundle)
    for name, size in (("a", 10), ("large", 99), ("large", 99), ("a", 10), ("large", 99)):
        store.get(ref(name, size), load)
    assert load.loaded == ["a", "large", "a", "large"]


def test_eight_threads_that_miss_the_same_bundle_load_it_once(bundle: LoadedBundle) -> None:
    store, load, together = BundleStore(100), Loader(bundle, seconds=0.1), threading.Barrier(8)

    def work(_number: int) -> LoadedBundle:
        together.wait()
        return store.get(ref("a"), load)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, range(8)))
    assert load.loaded == ["a"]
    assert all(each is bundle for each in found)


def test_a_slow_load_does_not_hold_up_those_that_are_there(bundle: LoadedBundle) -> None:
    store, began = BundleStore(100), threading.Event()
    store.get(ref("warm"), Loader(bundle))
    release = threading.Event()

    def slow(_ref: BundleRef) -> LoadedBundle:
        began.set()
        assert release.wait(10)
        return bundle

    thread = threading.Thread(target=store.get, args=(ref("cold"), slow))
    thread.start()
    assert began.wait(10)
    assert store.get(ref("warm"), Loader(bundle)) is bundle
    release.set()
    thread.join(10)
    assert not thread.is_alive()


def test_a_load_that_fails_is_tried_again(bundle: LoadedBundle) -> None:
    def fail(_ref: BundleRef) -> LoadedBundle:
        raise OSError("disk")

    store = BundleStore(100)
    for _ in range(2):
        with pytest.raises(OSError, match="disk"):
            store.get(ref("a"), fail)
    assert store.get(ref("a"), Loader(bundle)) is bundle
    assert not store._loading, "nothing is left of the loads"


def test_a_bundle_whose_bytes_changed_is_refused() -> None:
    made = trained.naive()
    for position in (0, len(made.bundle) // 2, len(made.bundle) - 1):
        data = bytearray(made.bundle)
        data[position] ^= 1
        with pytest.raises(EngineError):
            load_bundle(bytes(data), made.sha256)
    with pytest.raises(EngineError):
        load_bundle(made.bundle, hashlib.sha256(b"other").hexdigest())


def test_eight_threads_predict_the_same_as_one(bundle: LoadedBundle) -> None:
    query = ForecastQuery(horizon=6, levels=(80, 95))
    expected = predictor.predict(bundle, query)
    with ThreadPoolExecutor(8) as pool:
        found: list[Any] = list(pool.map(lambda _: predictor.predict(bundle, query), range(64)))
    assert all(each == expected for each in found)


def test_times_are_read_as_people_write_them() -> None:
    import numpy as np

    days = np.array(["2024-01-01", "2024-01-02"], "datetime64[s]")
    assert predictor.times(days) == ["2024-01-01", "2024-01-02"]
    assert predictor.times(days + np.timedelta64(3600, "s")) == ["2024-01-01T01:00:00", "2024-01-02T01:00:00"]
    assert predictor.times(np.array([7, 8])) == [7, 8]
