"""The text of a key: its form, its checksum, and what is kept of it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.api_keys import text

WHOLE = text.derive("the same in every test process").whole


def test_a_key_has_the_stated_form() -> None:
    key = text.generate()
    prefix, mode, public_id, rest = key.whole.split("_")
    assert (prefix, mode, public_id, len(rest)) == ("alm", "live", key.public_id, 33)
    assert text.parse(key.whole) == key
    assert text.LOOKS_LIKE_KEY.search(f"…{key.whole}…")


@pytest.mark.parametrize("mode", ["live", "test"])
@pytest.mark.parametrize("restricted", [False, True])
def test_each_kind_begins_with_what_it_is(mode: text.Mode, restricted: bool) -> None:
    key = text.generate(mode, restricted=restricted)
    assert key.whole.startswith(f"alm_{'rk_' if restricted else ''}{mode}_{key.public_id}_")
    assert text.parse(key.whole) == key
    assert (key.mode, key.restricted) == (mode, restricted)
    assert text.LOOKS_LIKE_KEY.search(f"…{key.whole}…")


def test_the_secret_has_at_least_160_bits() -> None:
    assert text.SECRET_LENGTH * math.log2(len(text.BASE62)) >= 160


def test_two_keys_share_nothing_but_the_prefix() -> None:
    keys = [text.generate() for _ in range(200)]
    assert len({key.public_id for key in keys}) == len({key.whole[18:] for key in keys}) == 200


def test_every_change_of_one_character_is_refused() -> None:
    for position in range(len(WHOLE)):
        for character in text.BASE62 + "_-":
            if character != WHOLE[position]:
                assert text.parse(WHOLE[:position] + character + WHOLE[position + 1 :]) is None


@pytest.mark.parametrize(
    "other",
    [
        WHOLE[:-1],
        WHOLE + "a",
        WHOLE[1:],
        f" {WHOLE}",
        WHOLE + "\n",
        WHOLE.upper(),
        "",
        "alm_live_",
        WHOLE.replace("live", "test"),
        WHOLE.replace("alm_", "alm_rk_"),
    ],
)
def test_what_is_not_whole_is_refused(other: str) -> None:
    assert text.parse(other) is None


def test_two_neighbours_changed_places_are_refused() -> None:
    for position in range(len(WHOLE) - 1):
        swapped = WHOLE[:position] + WHOLE[position + 1] + WHOLE[position] + WHOLE[position + 2 :]
        assert swapped == WHOLE or text.parse(swapped) is None


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_without_a_crash(other: str) -> None:
    assert text.parse(other) is None


def test_the_digest_depends_on_the_pepper_and_old_versions_stay_good(settings: Any) -> None:
    key = text.generate()
    kept = text.digest(key, 1)
    settings.API_KEY_PEPPERS = {**settings.API_KEY_PEPPERS, 2: b"\x02" * 32}
    assert text.newest_pepper() == 2
    assert kept is not None
    assert text.digest(key, 2) not in (None, kept)
    assert text.matches(key, 1, kept)
    assert not text.matches(key, 2, kept)


def test_a_pepper_that_was_dropped_ends_its_keys(settings: Any) -> None:
    key = text.generate()
    kept = text.digest(key, 1)
    settings.API_KEY_PEPPERS = {2: b"\x02" * 32}
    assert kept is not None
    assert not text.matches(key, 1, kept)


def test_a_key_does_not_show_its_secret_when_printed() -> None:
    assert WHOLE[18:] not in repr(text.parse(WHOLE))
