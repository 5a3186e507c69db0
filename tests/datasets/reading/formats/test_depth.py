"""The depth of JSON is known before a parser sees it, whatever its texts hold and wherever its blocks end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.datasets.reading.contracts import Unreadable
from apps.datasets.reading.formats.depth import MAX_DEPTH, DepthGauge

TEXTS = st.text(alphabet='a"\\[]{}é,:', max_size=6)
VALUES = st.recursive(
    TEXTS | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


def is_refused(text: bytes, block: int) -> bool:
    gauge = DepthGauge()
    try:
        for start in range(0, len(text), block):
            gauge.see(text[start : start + block])
    except Unreadable:
        return True
    return False


def wrapped(value: Any, levels: int) -> bytes:
    for level in range(levels):
        value = [value] if level % 2 else {'"[': value}
    return json.dumps(value).encode()


@settings(max_examples=60, deadline=None)
@given(value=VALUES, block=st.sampled_from([1, 3, 50, 10_000]))
def test_flat_data_passes_and_deep_data_does_not(value: Any, block: int) -> None:
    assert not is_refused(json.dumps(value).encode(), block)
    assert is_refused(wrapped(value, 5 * MAX_DEPTH), block)


@pytest.mark.parametrize("text", ["[" * 10**6, '{"a":' * 10**6, "[1," * 10**6, '[{},"[",' * 10**6])
def test_endless_openings_are_refused_in_any_shape(text: str) -> None:
    assert is_refused(text.encode(), 1 << 20)


def test_brackets_within_texts_and_one_after_the_other_are_no_depth() -> None:
    assert not is_refused(json.dumps(["[{" * 10_000, *([[]] * 10_000)]).encode(), 1 << 16)
