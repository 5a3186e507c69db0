"""The documentation leads where it says, and knows every setting."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from config import urls_api

ROOT = Path(settings.BASE_DIR)
FOLDERS = ("docs", "apps", "benchmarks", "static/vendor", "deploy", "tests")
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
READ = re.compile(
    r"(?:env\.(?:text|number|flag|choice)|\bnumber|os\.environ(?:\.get)?)[(\[]\s*\"([A-Z][A-Z_]+)\""
)


def _slug(heading: str) -> str:
    """The anchor that forges give a heading."""
    kept = re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower())
    return kept.strip().replace(" ", "-")


def _anchors(page: Path) -> set[str]:
    text = page.read_text()
    return {_slug(heading) for heading in HEADING.findall(text)} | set(re.findall(r'<a id="([^"]+)"', text))


def _broken(page: Path) -> list[str]:
    broken = []
    for link in LINK.findall(CODE.sub("", page.read_text())):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    return broken


def test_there_are_pages_to_look_at():
    assert {ROOT / "README.md", ROOT / "docs" / "architecture.md"} <= set(PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_something(page: Path):
    assert _broken(page) == []


def test_every_setting_that_is_read_stands_in_the_table():
    sources = [*(ROOT / "config").rglob("*.py"), *(ROOT / "deploy" / "local").glob("*.py")]
    read = {name for source in sources for name in READ.findall(source.read_text())}
    assert "ALMANAC_BASE_DOMAIN" in read
    described = set(re.findall(r"`([A-Z][A-Z_]+)`", (ROOT / "docs" / "configuration.md").read_text()))
    assert read - described - {"PYTEST_XDIST_WORKER", "TERM"} == set()


def _endpoints(patterns: Sequence[Any], before: str = "/") -> Iterator[str]:
    for each in patterns:
        path = before + str(each.pattern)
        yield from _endpoints(each.url_patterns, path) if hasattr(each, "url_patterns") else [path]


def test_every_endpoint_stands_in_the_reference():
    described = (ROOT / "docs" / "api.md").read_text()
    paths = [re.sub(r"<\w+:(name|kind|ref)>", r"{\1}", path) for path in _endpoints(urls_api.urlpatterns)]
    assert "/v1/forecasts" in paths
    assert [path for path in paths if re.sub(r"<\w+:\w+>", "{id}", path) not in described] == []


def test_every_decision_stands_in_the_list():
    pages = {page.name for page in (ROOT / "docs" / "adr").glob("0*.md")}
    assert pages == set(
        re.findall(r"\((0\d{3}-[\w-]+\.md)\)", (ROOT / "docs" / "adr" / "README.md").read_text())
    )
