"""What holds for every template and for the files the browser loads."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import get_template

from apps.dashboard.templatetags import almanac

ROOT = Path(settings.BASE_DIR)
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SOURCES = [path for kind in ("css", "js", "img") for path in sorted((ROOT / "static" / kind).rglob("*.*"))]
NAMES = [str(path.relative_to(ROOT / "templates")) for path in TEMPLATES]


@pytest.mark.parametrize("name", NAMES)
def test_every_template_compiles(name: str) -> None:
    assert get_template(name)


@pytest.mark.parametrize("path", TEMPLATES, ids=NAMES)
def test_no_template_breaks_the_content_security_policy(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)", text), "inline script"
    assert not re.search(r"<style\b|\sstyle=", text), "inline style"
    assert not re.search(r"\son[a-z]+=|javascript:", text), "inline event handler"
    assert not re.search(r"(?:src|href|action)=[\"'](?:https?:)?//", text), "outside address"


@pytest.mark.parametrize("path", TEMPLATES, ids=NAMES)
def test_every_form_that_posts_carries_the_token(path: Path) -> None:
    forms = re.findall(r"<form\b[^>]*method=\"post\".*?</form>", path.read_text(), flags=re.S)
    assert all("{% csrf_token %}" in form for form in forms)


def test_the_browser_is_sent_nowhere_else() -> None:
    known = ("http://www.w3.org/",)
    found = {
        address
        for path in SOURCES
        for address in re.findall(r"https?://[^\s\"')]+", path.read_text())
        if not address.startswith(known)
    }
    assert not found


def test_vendored_files_are_what_their_list_says() -> None:
    readme = (ROOT / "static/vendor/README.md").read_text()
    listed = dict(re.findall(r"\| `([^`]+\.js)` \| `([0-9a-f]{64})` \|", readme))
    files = {
        str(path.relative_to(ROOT / "static/vendor")): path for path in (ROOT / "static/vendor").rglob("*.js")
    }
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()} == listed


def test_icons_that_templates_name_are_drawn() -> None:
    drawn = set(re.findall(r'<symbol id="([^"]+)"', (ROOT / "static/img/icons.svg").read_text()))
    named = {
        name
        for path in TEMPLATES
        for name in re.findall(r'partials/icon\.html" with name="([^"]+)"', path.read_text())
    }
    assert named
    assert named <= drawn


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.42, "0.4 s"), (42.4, "42 s"), (185, "3 min 05 s"), (7805, "2 h 10 min"), (None, "–")],
)
def test_durations_read_as_people_say_them(seconds: float | None, words: str) -> None:
    assert almanac.duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.74214, "0.7421"), (128.26, "128.3"), (12840.6, "12,841"), (7, "7"), (float("nan"), "–"), ("x", "–")],
)
def test_numbers_keep_four_digits(value: object, words: str) -> None:
    assert almanac.number(value) == words


@pytest.mark.parametrize(
    ("value", "words"), [(9870, "9,870"), (12400, "12.4k"), (3_100_000, "3.1M"), (None, "–")]
)
def test_counts_fit_a_tile(value: object, words: str) -> None:
    assert almanac.compact(value) == words


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("MS", "monthly"),
        ("15min", "every 15 min"),
        ("W-SUN", "weekly"),
        ("2h", "every 2 h"),
        ("1", "1"),
        (None, "–"),
    ],
)
def test_frequencies_are_said_in_words(code: str | None, words: str) -> None:
    assert almanac.frequency(code) == words


@pytest.mark.parametrize(
    ("moment", "code", "words"),
    [
        ("2006-01-01T00:00:00", "MS", "Jan 2006"),
        ("2025-03-03", "D", "3 Mar 2025"),
        ("2025-03-03T14:30:00", "h", "3 Mar 2025, 14:30"),
        ("2025-01-01", "YS", "2025"),
        ("17", "1", "17"),
        (None, "", "–"),
    ],
)
def test_times_of_a_series_are_as_fine_as_its_frequency(moment: str | None, code: str, words: str) -> None:
    assert almanac.axis_time(moment, code) == words


@pytest.mark.parametrize(
    ("share", "level", "short"), [(0.71, 80, True), (0.78, 80, False), (0.99, 95, False), (None, 80, False)]
)
def test_a_band_that_holds_too_rarely_is_told(share: float | None, level: int, short: bool) -> None:
    assert almanac.falls_short(share, level) is short
