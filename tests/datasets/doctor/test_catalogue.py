"""The catalogue of findings checks and describes recipes without loading polars, and its page is current."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from apps.datasets.doctor import catalogue
from apps.datasets.doctor.contracts import Step

PAGE = Path(__file__).parents[3] / "docs" / "findings.md"


def test_the_page_of_findings_is_current() -> None:
    assert PAGE.read_text() == catalogue.as_markdown()


def test_there_are_twenty_five_kinds_of_findings() -> None:
    assert len(catalogue.KINDS) >= 25


def test_the_web_process_can_load_the_catalogue_without_polars_and_numpy() -> None:
    code = "import sys; import apps.datasets.doctor.catalogue; print({'polars', 'numpy'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("step", "wrong"),
    [
        (Step("outliers", "clip"), ""),
        (Step("nonsense", "clip"), "There is no finding"),
        (Step("outliers", "swap"), "no fix for outliers"),
        (Step("dst_doubling", "localize", {"zone": "Mars"}), "time zone must be named"),
    ],
)
def test_a_step_is_checked(step: Step, wrong: str) -> None:
    said = catalogue.check(step)
    assert (wrong in said) if wrong else (said == "")


def test_an_error_blocks_until_a_step_deals_with_all_of_it() -> None:
    found = catalogue.finding("conflicting_rows", detail="", series=("a", "b"), series_count=2)
    assert catalogue.blocking([found], []) == [found]
    assert catalogue.blocking([found], [Step("conflicting_rows", "sum", series=("a",))]) == [found]
    assert catalogue.blocking([found], [Step("conflicting_rows", "sum", series=("a", "b"))]) == []
    assert catalogue.blocking([found], [Step("conflicting_rows", "sum")]) == []
