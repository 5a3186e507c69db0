"""A panel knows which of its points arrived late or were corrected, and a backtest sees them as they were then."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from apps.datasets.doctor.contracts import Step
from apps.datasets.panel import Recipe, make_panel, recipe_of

START = datetime(2024, 1, 1)  # noqa: DTZ001 - as stored
Line = tuple[int, float, int | None]
DAYS = 30


def _history(corrections: list[Line]) -> pl.DataFrame:
    lines: list[Line] = [(day, 10.0 + day, None) for day in range(DAYS)]
    lines = sorted([*lines, *corrections], key=lambda line: (line[0], line[2] or -1))
    at = [None if known is None else START + timedelta(days=known) for _, _, known in lines]
    return pl.DataFrame(
        {
            "unique_id": ["a"] * len(lines),
            "ds": [START + timedelta(days=day) for day, _, _ in lines],
            "y": [value for _, value, _ in lines],
            "known_at": at,
            "__deleted": [False] * len(lines),
            "__gives y": [True] * len(lines),
        },
        schema_overrides={"ds": pl.Datetime("us"), "known_at": pl.Datetime("us")},
    )


def _current(history: pl.DataFrame) -> pl.DataFrame:
    newest = history.unique(["unique_id", "ds"], keep="last", maintain_order=True)
    return newest.select("unique_id", "ds", "y").sort("unique_id", "ds")


RECIPE = Recipe("D", 7, "season")


def test_a_cut_before_a_correction_sees_the_value_of_that_time() -> None:
    history = _history([(10, 99.0, 20)])
    panel = make_panel(_current(history), RECIPE, history=history)
    assert panel.series(0)[10] == 99.0
    assert panel.head(np.array([15])).series(0)[10] == 20.0
    assert panel.head(np.array([25])).series(0)[10] == 99.0


def test_without_corrections_there_is_nothing_to_know() -> None:
    history = _history([])
    assert make_panel(_current(history), RECIPE, history=history).vintages is None


def test_a_point_that_the_recipe_decides_has_no_earlier_values() -> None:
    history = _history([(10, 99_999.0, 20)])
    recipe = Recipe("D", 7, "season", steps=(Step("sentinel", "as_missing"), Step("outliers", "as_missing")))
    panel = make_panel(_current(history), recipe, history=history)
    assert panel.vintages is None
    assert panel.series(0)[10] == 13.0


def test_the_gap_rule_is_the_recipes_step_or_what_old_versions_say() -> None:
    columns = {"covariates": ["price"], "past": ["visits"], "gap_rule": "zero"}
    assert recipe_of("D", 7, columns).gap_rule == "zero"
    assert recipe_of("D", 7, columns, (Step("gaps", "previous"),)).gap_rule == "previous"
    assert recipe_of("D", 7, {}).gap_rule == "season"
