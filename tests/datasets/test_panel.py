"""The panel for training is regular: missing steps are filled by the accepted rule, and by nothing else."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from apps.datasets.errors import NotTrainable
from apps.datasets.panel import Recipe, make_panel
from apps.datasets.reading.read import Targets
from apps.engine.panel import Panel
from tests.datasets.csv_files import HEADER, daily, days, read


def panel_of(text: str, folder: Path, rule: str = "season") -> Panel:
    """The panel of a CSV text."""
    target = folder / "table.parquet"
    table = read(text.encode(), targets=Targets(target)).table
    assert table is not None
    return make_panel(
        target.read_bytes(), Recipe(table.frequency or "", table.season_length, rule, table.covariates)
    )


def test_whole_series_come_through_unchanged(tmp_path: Path) -> None:
    panel = panel_of(daily(), tmp_path)
    assert panel.series_ids == ("a", "b")
    assert panel.frequency.alias == "D"
    np.testing.assert_array_equal(panel.series(1), np.arange(1, 21) + 0.5)
    assert str(panel.times(0)[-1]) == "2024-01-20T00:00:00"


@pytest.mark.parametrize(
    ("rule", "filled"),
    [("season", [3.5, 4.5, 6.5]), ("previous", [9.5, 9.5, 12.5]), ("zero", [0.0, 0.0, 0.0])],
)
def test_a_gap_is_filled_by_the_accepted_rule_without_looking_ahead(
    tmp_path: Path, rule: str, filled: list[float]
) -> None:
    text = (
        daily("a")
        .replace("a,2024-01-10,10.5\n", "")
        .replace("a,2024-01-11,11.5\n", "")
        .replace("13,13.5", "13,")
    )
    values = panel_of(text, tmp_path, rule).series(0)
    np.testing.assert_array_equal(values[[9, 10, 12]], filled)
    assert len(values) == 20


def test_values_missing_at_the_start_are_left_out(tmp_path: Path) -> None:
    panel = panel_of(daily("a").replace("a,2024-01-01,1.5", "a,2024-01-01,"), tmp_path)
    assert (len(panel.series(0)), str(panel.times(0)[0])) == (19, "2024-01-02T00:00:00")


def test_a_series_without_values_is_left_out(tmp_path: Path) -> None:
    empty = "".join(f"c,{day},\n" for day in days(20))
    assert panel_of(daily("a") + empty, tmp_path).series_ids == ("a",)


def test_covariates_are_carried_forward_and_their_future_is_kept_apart(tmp_path: Path) -> None:
    past = "".join(
        f"a,{day},{number}.5,{'' if number == 4 else number}\n" for number, day in enumerate(days(20))
    )
    future = "".join(f"a,{day},,{100 + number}\n" for number, day in enumerate(days(3, "2024-01-21")))
    panel = panel_of(f"{HEADER},price\n{past}{future}", tmp_path)
    assert panel.known_future["price"][3:6].tolist() == [3.0, 3.0, 5.0]
    assert panel.future["price"].tolist() == [[100.0, 101.0, 102.0]]
    assert len(panel.values) == 20


def test_months_keep_their_grid_over_a_gap(tmp_path: Path) -> None:
    months = "".join(
        f"a,{2020 + month // 12}-{month % 12 + 1:02d}-01,{month}\n" for month in range(36) if month != 30
    )
    panel = panel_of(f"{HEADER}\n{months}", tmp_path)
    assert panel.series(0)[30] == 18.0
    assert str(panel.times(0)[30])[:10] == "2022-07-01"


def test_times_off_the_grid_cannot_be_trained_on_and_the_error_names_them(tmp_path: Path) -> None:
    text = f"{HEADER}\n" + "".join(f"a,{day}T{'06:30' if day.day == 9 else '00:00'},1\n" for day in days(20))
    with pytest.raises(NotTrainable, match="Series 'a' has 2024-01-09 06:30:00"):
        panel_of(text, tmp_path)


def test_two_points_cannot_be_trained_on(tmp_path: Path) -> None:
    with pytest.raises(NotTrainable, match="three values"):
        panel_of(f"{HEADER}\na,2024-01-01,1\na,2024-01-02,2\n", tmp_path)


def long_table(values: list[float | None], ds: list[object], kind: pl.DataType) -> pl.DataFrame:
    """A long table of one series."""
    data = {"unique_id": ["a"] * len(values), "ds": ds, "y": values}
    return pl.DataFrame(data, schema_overrides={"ds": kind, "y": pl.Float64})


def test_whole_numbers_nan_and_negative_zero_come_through() -> None:
    table = long_table([1.0, -0.0, float("nan"), None, 5.0], [3, 4, 5, 6, 7], pl.Int64())
    panel = make_panel(table, Recipe("1", None, "previous"))
    np.testing.assert_array_equal(panel.values, [1.0, 0.0, 0.0, 0.0, 5.0])
    np.testing.assert_array_equal(panel.ds, [3, 4, 5, 6, 7])


@pytest.mark.parametrize("kind", [pl.Categorical(), pl.Enum(["a"])], ids=str)
def test_a_series_of_one_row_whose_name_is_a_category_is_a_panel(kind: pl.DataType) -> None:
    table = long_table([7.0], [days(1)[0]], pl.Datetime("us")).with_columns(pl.col("unique_id").cast(kind))
    panel = make_panel(table, Recipe("D", None, "season"))
    assert (panel.series_ids, panel.values.tolist()) == (("a",), [7.0])


@pytest.mark.parametrize("value", [1.0, None])
def test_a_date_far_away_is_refused_before_it_fills_the_memory(value: float | None) -> None:
    minutes = [datetime.datetime(2024, 1, 1, 0, minute) for minute in range(50)]  # noqa: DTZ001 - as stored
    far = datetime.datetime(2204, 1, 1)  # noqa: DTZ001
    table = long_table([*(float(each) for each in range(50)), value], [*minutes, far], pl.Datetime("us"))
    with pytest.raises(
        NotTrainable, match=r"'a', from 2024-01-01 00:00:00 to 2204-01-01 00:00:00 with 51 rows"
    ):
        make_panel(table, Recipe("min", None, "season"))
