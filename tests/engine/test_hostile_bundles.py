"""Whatever is in a file, loading it gives a model or says that it is damaged, and takes little memory."""

from __future__ import annotations

import io
import json
import random
import struct
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest

from apps.engine import bundle, errors, load_bundle
from apps.engine.bundle import Content

from . import ensembles, panels

SMALL = 30_000_000  # bytes of memory that any of these may take


@pytest.fixture(scope="module")
def good() -> bytes:
    return ensembles.ensemble(("theta", "auto_ets", "paths", "seasonal_naive"), panels.monthly(), 6)


@pytest.fixture(scope="module")
def content(good) -> Content:
    return bundle.unpack(good)


@pytest.fixture(autouse=True)
def _bounded_memory():
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < SMALL


def refused(data: bytes, words: str | None = None) -> None:
    with pytest.raises(errors.BundleDamaged, match=words):
        load_bundle(data)


def archive(entries, method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as written:
        warnings.simplefilter("ignore")
        for name, raw in entries:
            written.writestr(name, raw)
    return buffer.getvalue()


def entries_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def with_array(content: Content, name: str, array: np.ndarray) -> bytes:
    return bundle.pack(Content(content.meta, {**content.arrays, name: array}, content.texts))


def with_meta(content: Content, **changed) -> bytes:
    return bundle.pack(Content({**content.meta, **changed}, content.arrays, content.texts))


def npy(header: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header.encode() + b"\n"
    size = struct.pack("<H", len(text)) if version == b"\x01\x00" else struct.pack("<I", len(text))
    return b"\x93NUMPY" + version + size + text + data


def test_the_untouched_bundle_loads(good):
    assert load_bundle(good).predict(None, 6).mean.shape == (4, 6)


@pytest.mark.parametrize(
    "raw",
    [
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (4,), }", b"cos\nsystem\n(S'false'\ntR."),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }", b"0" * 32),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (999999999999999, 999999999999999), }"),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-4,), }", b"0" * 32),
        npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (4,), }", b"0" * 32),
        npy("{'descr': '<U9', 'fortran_order': False, 'shape': (4,), }", b"0" * 144),
        npy("{'descr': '<m8', 'fortran_order': False, 'shape': (4,), }", b"0" * 32),
        npy("{'descr': '<f9', 'fortran_order': False, 'shape': (4,), }", b"0" * 36),
        npy("(" * 60_000),
        npy("[" * 5_000 + "]" * 5_000),
        npy("-" * 9_000 + "1"),
        npy(" " * 65_000 + "{}"),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4,), }" + " " * 10**6, b"", b"\x02\x00"),
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff",
        b"\x93NUMPY\x01\x00\xff\xff",
        b"",
    ],
)
def test_arrays_that_are_not_plain_numbers_are_refused(good, raw):
    entries = entries_of(good) | {"arrays/scales.npy": raw}
    refused(archive(entries.items()))


def test_a_bomb_is_refused_before_it_goes_off(good):
    entries = entries_of(good) | {"arrays/bomb.npy": bytes(5_000_000)}
    refused(archive(entries.items(), zipfile.ZIP_DEFLATED), "stored")


def test_entries_that_share_their_bytes_are_refused():
    raw = archive([("meta.json", b" " * 100_000)])
    start = raw.index(b"PK\x01\x02")
    one = raw[start : -bundle.END.size]
    many = b"".join(one.replace(b"meta.json", b"arrays/%03d.npy" % i) for i in range(1000))
    many = many.replace(struct.pack("<H", 9), struct.pack("<H", 14))
    end = bundle.END.pack(b"PK\x05\x06", 0, 0, 1000, 1000, len(many), start, 0)
    refused(raw[:start] + many + end, "larger")


def test_a_table_of_contents_of_millions_of_entries_is_refused():
    end = bundle.END.pack(b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, bundle.MAX_DIRECTORY + 1, 0, 0)
    refused(bytes(10_000) + end, "too many")
    refused(bundle.ZIP64_LOCATOR + bytes(16) + end)


def test_an_entry_that_occurs_twice_is_refused(good):
    twice = [*entries_of(good).items(), ("meta.json", b"{}")]
    refused(archive(twice), "twice")


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/passwd",
        "arrays/../../evil.npy",
        "arrays/..",
        "C:\\evil",
        "arrays/a\nb.npy",
        "code.py",
        "meta.json/",
    ],
)
def test_names_that_have_no_place_are_refused(good, name):
    refused(archive([*entries_of(good).items(), (name, b"x")]))


@pytest.mark.parametrize("name", ["covariates/../../x", "a\x00b"])
def test_names_that_have_no_place_are_not_even_written(content, name):
    with pytest.raises(errors.BundleDamaged, match="place"):
        with_array(content, name, np.zeros(1))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99, 0.9999])
def test_a_truncated_bundle_is_refused(good, share):
    refused(good[: int(len(good) * share)])


@pytest.mark.parametrize("front", [b"", b"#!/bin/sh\n"])
def test_bytes_behind_the_end_are_refused(good, front):
    refused(front + good + b"\x00")


@pytest.mark.parametrize(
    "meta", [b"", b"[]", b"3", b"null", b"{", b"[" * 100_000, b'{"format": "1"}', b'{"format": 0}', b"\xff\xfe", b'{"format": 2}',
             b'{"format": ' + b"9" * 5000 + b"}"],
)  # fmt: skip
def test_a_page_that_is_not_a_bundle_s_is_refused(good, meta):
    refused(archive((entries_of(good) | {"meta.json": meta}).items()))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("weights", lambda a: np.where(a > 0, np.nan, a)),
        ("weights", lambda a: a * 2),
        ("weights", lambda a: -a),
        ("weights", lambda a: a[:, :-1]),
        ("weights", lambda a: a[:-1]),
        ("weights", lambda a: a.ravel()),
        ("scales", lambda a: a * np.nan),
        ("scales", lambda a: a * 0),
        ("lower", lambda a: a[:2]),
        ("tails/indptr", lambda a: a[::-1].copy()),
        ("tails/indptr", lambda a: a * 1000),
        ("tails/indptr", lambda a: a.astype(np.float64)),
        ("tails/lengths", lambda a: a * 0),
        ("tails/values", lambda a: np.where(a > a.mean(), np.inf, a)),
        ("tails/ds", lambda a: a[:-1]),
        ("pool/scores", lambda a: np.full((6, 3), np.nan)),
        ("pool/counts", lambda a: a[:-1]),
        ("errors/scaled", lambda a: np.zeros((5, 3))),
        ("members/0/fitted", lambda a: ~a),
        ("members/0/level", lambda a: a * np.nan),
        ("members/0/season", lambda a: a[:1]),
        ("members/0/season", lambda a: a[:, :0]),
        ("members/1/sigma", lambda a: a[:, :2]),
        ("members/2/trend", lambda a: a.T),
        ("members/3/sigma", lambda a: a[:, None]),
        ("vectors/rows", lambda a: a + 100),
        ("vectors/mean", lambda a: a[:, :-1]),
        ("vectors/mean", lambda a: a * np.nan),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_refused(content, name, change):
    refused(with_array(content, name, change(content.arrays.get(name, np.zeros(1)))))


@pytest.mark.parametrize(
    "changed",
    [
        {"series_ids": []},
        {"series_ids": ["a", "a", "b", "c"]},
        {"series_ids": "abcd"},
        {"horizon_max": 10**12},
        {"horizon_max": -1},
        {"horizon_max": "6"},
        {"horizon_max": True},
        {"members": []},
        {"members": [{"name": "x", "kind": "os.system", "meta": {}}] * 4},
        {"members": 4},
        {"covariates": ["price"]},
        {"flags": []},
        {"frequency": {}},
        {"pooling": None, "series_ids": None},
    ],
)
def test_a_page_that_does_not_fit_its_arrays_is_refused(content, changed):
    refused(with_meta(content, **changed))


@pytest.mark.parametrize("setting", [{"season_length": 10**15}, {"season_length": 0}, {"multiple": 0}])
def test_a_grid_out_of_all_reason_is_refused(content, setting):
    refused(with_meta(content, frequency={**content.meta["frequency"], **setting}), "frequency")


def test_trees_that_look_back_for_ever_are_refused():
    content = bundle.unpack(ensembles.packed("lightgbm_global", panels.monthly(), 6))
    member = content.meta["members"][0]
    features = {**member["meta"]["features"], "window": 10**12}
    refused(with_meta(content, members=[{**member, "meta": {"features": features}}]), "window")


def test_bytes_changed_at_random_never_give_another_model(good):
    rng = random.Random(0)
    expected = load_bundle(good).predict(None, 6).mean
    for _ in range(300):
        data = bytearray(good)
        for _ in range(rng.choice((1, 1, 4, 50))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            found = load_bundle(bytes(data)).predict(None, 6).mean
        except (errors.BundleDamaged, errors.BundleTooNew):
            continue
        assert np.array_equal(found, expected)


def test_arrays_changed_at_random_are_refused_or_give_finite_numbers(content):
    rng = np.random.default_rng(0)
    for _ in range(150):
        name = rng.choice([n for n in content.arrays if not n.startswith("vectors")])
        array = content.arrays[name].copy()
        if array.size:
            array.flat[rng.integers(array.size)] = rng.choice([0, 1, -1, 120, 100])
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = load_bundle(with_array(content, name, array)).predict(None, 6, (80,))
            except errors.BundleDamaged:
                continue
        assert found.mean.shape == (4, 6)


def test_json_of_the_page_is_all_that_is_read_of_it(content):
    assert load_bundle(with_meta(content, unknown=json.loads("{}"))).meta.horizon_max == 6
