"""In series that are unsteady by nature, only what stands out from that is called a fault."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import polars as pl
import pytest

from apps.datasets.doctor.detect import About
from apps.datasets.doctor.examine import examine
from apps.engine.frequency import Frequency

START = datetime(2020, 1, 2)  # noqa: DTZ001 - as stored times are: without a zone
NOW = datetime(2030, 1, 1)  # noqa: DTZ001


def promoted(seed: int, count: int = 120) -> list[float]:
    """Weekly sales that double and halve by themselves; each sixth week or so a promotion sells five times as much."""
    dice = random.Random(seed)
    return [4000 * dice.lognormvariate(0, 0.5) * (5 if dice.random() < 0.15 else 1) for _ in range(count)]


def found(values: list[float]) -> dict[str, list[int]]:
    """The rows of each kind of finding about values; the header is row 1."""
    times = [START + timedelta(weeks=week) for week in range(len(values))]
    data = {"unique_id": ["a"] * len(values), "ds": times, "y": values, "__row": range(2, len(values) + 2)}
    frame = pl.DataFrame(data, schema_overrides={"ds": pl.Datetime("us"), "__row": pl.Int64})
    report = examine(frame, About((), (), Frequency.parse("W-THU"), {}, None, None, NOW))
    return {line["code"]: line["rows"] for line in report.lines.to_dicts()}


@pytest.mark.parametrize("seed", range(20))
def test_promotions_are_no_outliers(seed: int) -> None:
    assert found(promoted(seed)) == {}


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("share", [15, 1 / 30])
def test_a_value_far_beyond_all_promotions_and_weak_weeks_is_one(seed: int, share: float) -> None:
    values = promoted(seed)
    values[50] = (max if share > 1 else min)(values) * share
    assert found(values) == {"outliers": [52]}


def test_three_values_beyond_all_others_are_outliers_together() -> None:
    values = promoted(3)
    for week in (20, 60, 90):
        values[week] = 30 * max(values[:20])
    assert found(values) == {"outliers": [22, 62, 92]}


def test_the_last_value_before_a_drop_is_like_those_before_it() -> None:
    values = [3500.0 + week % 3 for week in range(60)] + [800.0 + week % 3 for week in range(30)]
    assert "outliers" not in found(values)


def test_a_rise_at_the_beginning_is_no_outlier_and_a_wrong_first_value_is_one() -> None:
    rising = [120.0, 140.0, 300.0, 330.0, 335.0, *(340.0 + 3 * week for week in range(90))]
    assert found(rising) == {"too_short": [2]}
    assert found([9000.0, *rising[4:]])["outliers"] == [2]


@pytest.mark.parametrize("factor", [100.0, 1 / 1000])
@pytest.mark.parametrize("seed", range(10))
def test_another_unit_is_told_though_no_single_step_shows_it(seed: int, factor: float) -> None:
    values = promoted(seed)
    changed = [*values[:-12], *(value * factor for value in values[-12:])]
    told = found(changed)
    assert set(told) == {"unit_change"}
    # A promotion just before the change may be taken for its first week.
    assert set(told["unit_change"]) - {109} == set(range(110, 122))


@pytest.mark.parametrize("factor", [12.0, 1 / 12])
def test_a_shift_is_told_in_a_series_of_two_seasons(factor: float) -> None:
    values = promoted(1)
    shifted = [*values[:60], *(value * factor for value in values[60:])]
    assert found(shifted) == {"level_shift": [62]}


def test_a_quick_rise_is_no_shift() -> None:
    rising = [400 + 0.5 * (week % 4) for week in range(60)]
    rising += [400 + 60 * week for week in range(1, 8)] + [820 + 0.5 * (week % 4) for week in range(60)]
    assert "level_shift" not in found(rising)


def test_a_value_missing_near_a_shift_hides_it_not() -> None:
    values = [800 + 9 * (week % 5) for week in range(60)] + [2400 + 9 * (week % 5) for week in range(60)]
    values[55] = values[63] = None  # type: ignore[call-overload]
    told = found(values)  # type: ignore[arg-type]
    assert told == {"level_shift": [62], "missing_values": [57, 65]}
