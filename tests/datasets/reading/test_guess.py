"""The columns are guessed by the names of the field's habits, and by content where names do not tell."""

from __future__ import annotations

import pytest

from apps.datasets.reading.contracts import ColumnMapping, Reading
from tests.datasets.csv_files import daily, days, read


def parts(reading: Reading) -> tuple[tuple[str, ...], str, str, tuple[str, ...]]:
    """series, time, value, covariates."""
    assert reading.mapping is not None
    mapping = reading.mapping
    return mapping.series, mapping.time, mapping.value, mapping.covariates


@pytest.mark.parametrize(
    "header", ["unique_id,ds,y", "item_id,timestamp,target", "Store,Date,Sales", "Produkt,Datum,Menge"]
)
def test_the_habits_of_the_field_are_known(header: str) -> None:
    series, time, value = header.split(",")
    assert parts(read(daily(header=header).encode())) == ((series,), time, value, ())


def test_columns_in_any_order_are_told_by_content() -> None:
    rows = "".join(f"{number}.5,{name},{day}\n" for name in ("x", "z") for number, day in enumerate(days(9)))
    assert parts(read(f"c1,c2,c3\n{rows}".encode())) == (("c2",), "c3", "c1", ())


def test_store_and_product_together_name_the_series() -> None:
    rows = "".join(
        f"{day},{store},{product},7,2.5\n" for store in (1, 2) for product in (1, 2) for day in days(9)
    )
    reading = read(f"date,store,item,sales,price\n{rows}".encode())
    assert parts(reading) == (("item", "store"), "date", "sales", ("price",))
    assert [sample.series_id for sample in reading.samples] == ["1 / 1", "1 / 2", "2 / 1", "2 / 2"]


def test_a_column_that_only_describes_the_product_is_not_needed_for_the_series() -> None:
    rows = "".join(f"{day},{product},food,7\n" for product in ("tea", "rice") for day in days(9))
    assert parts(read(f"date,product,category,sales\n{rows}".encode()))[0] == ("product",)


def test_a_file_of_one_series_needs_no_series_column() -> None:
    rows = "".join(f"{day},{number}\n" for number, day in enumerate(days(9)))
    reading = read(f"date,visits\n{rows}".encode())
    assert parts(reading) == ((), "date", "visits", ())
    assert reading.table is not None
    assert reading.table.series_count == 1


def test_the_row_number_that_pandas_writes_is_not_a_covariate() -> None:
    rows = "".join(f"{number},a,{day},{number}.5\n" for number, day in enumerate(days(9)))
    reading = read(f",unique_id,ds,y\n{rows}".encode())
    assert parts(reading) == (("unique_id",), "ds", "y", ())
    assert reading.columns[0].name == "column_1"


def test_true_and_false_become_a_covariate_of_ones_and_zeros() -> None:
    rows = "".join(
        f"a,{day},{number}.5,{str(number % 2 == 0).lower()}\n" for number, day in enumerate(days(9))
    )
    reading = read(f"unique_id,ds,y,promo\n{rows}".encode())
    assert parts(reading)[3] == ("promo",)
    assert any("true/yes is read as 1" in sentence for sentence in reading.said)


def test_a_mapping_that_was_asked_for_overrides_the_guess() -> None:
    rows = "".join(f"a,{day},{number}.5,{number * 10}\n" for number, day in enumerate(days(9)))
    raw = f"unique_id,ds,y,other\n{rows}".encode()
    assert parts(read(raw))[2:] == ("y", ("other",))
    reading = read(raw, ColumnMapping("ds", "other", ("unique_id",), ()))
    assert reading.samples[0].y[:2] == (0.0, 10.0)


def test_a_column_for_each_series_is_read_as_wide_and_says_so() -> None:
    rows = "".join(f"{day},1,2,3,4\n" for day in days(9))
    reading = read(f"date,north,south,west,east\n{rows}".encode())
    assert reading.mapping is not None
    assert (reading.mapping.layout, reading.mapping.values) == ("wide", ("north", "south", "west", "east"))
    assert reading.table is not None
    assert (reading.table.rows, reading.table.series_count) == (36, 4)
    assert any("a series of its own" in sentence for sentence in reading.said)


def test_a_column_for_each_time_is_read_as_across() -> None:
    header = ",".join(str(day) for day in days(9))
    reading = read(f"page,{header}\nhome,1,2,3,4,5,6,7,8,9\nhelp,9,8,7,,5,4,3,2,1\n".encode())
    assert reading.mapping is not None
    assert (reading.mapping.layout, reading.mapping.series) == ("across", ("page",))
    assert reading.table is not None
    assert (reading.table.rows, reading.table.frequency, reading.table.missing_steps) == (17, "D", 1)


def test_one_series_with_columns_that_explain_it_is_not_wide() -> None:
    rows = "".join(f"{day},{number},2,0\n" for number, day in enumerate(days(9)))
    reading = read(f"date,sales,price,promo\n{rows}".encode())
    assert reading.mapping is not None
    assert (reading.mapping.layout, reading.mapping.covariates) == ("long", ("price", "promo"))


def test_attributes_that_never_change_in_a_series_are_static_and_nest() -> None:
    rows = "".join(
        f"{item},{region},{store},{day},{number}\n"
        for item, region, store in (("a", "north", "s1"), ("b", "north", "s2"), ("c", "south", "s3"))
        for number, day in enumerate(days(12))
    )
    reading = read(f"unique_id,region,store,ds,y\n{rows}".encode())
    assert reading.mapping is not None
    assert reading.mapping.static == ("region", "store")
    assert reading.mapping.hierarchy == ("region", "store")


def test_the_time_since_when_a_row_was_known_is_told_apart() -> None:
    rows = "".join(f"a,{day},{day}T20:00:00,{number}\n" for number, day in enumerate(days(12)))
    reading = read(f"unique_id,ds,known_at,y\n{rows}".encode())
    assert reading.mapping is not None
    assert (reading.mapping.time, reading.mapping.known_at) == ("ds", "known_at")
    assert reading.table is not None
    assert reading.table.known_at


def test_a_file_without_times_asks_for_the_column() -> None:
    reading = read(b"name,y\na,1\nb,2\n")
    assert [problem.code for problem in reading.problems] == ["no_time_column"]
    assert [column.name for column in reading.columns] == ["name", "y"]


@pytest.mark.parametrize(
    ("texts", "frequency", "first"),
    [
        (["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"], "MS", "2024-01-01"),
        (["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"], "ME", "2024-01-31"),
        (["2024-01", "2024-02", "2024-03", "2024-04"], "MS", "2024-01-01"),
        (["Jan 2024", "Feb 2024", "Mar 2024", "Apr 2024"], "MS", "2024-01-01"),
        (["2023-Q3", "2023-Q4", "2024-Q1", "2024-Q2"], "QS", "2023-07-01"),
        (["2020", "2021", "2022", "2023"], "YS", "2020-01-01"),
        (["20240107", "20240114", "20240121", "20240128"], "W-SUN", "2024-01-07"),
        (["2024-W01", "2024-W02", "2024-W03", "2024-W04"], "W-MON", "2024-01-01"),
        (["01.02.2024", "02.02.2024", "03.02.2024", "04.02.2024"], "D", "2024-02-01"),
        (
            ["2024-01-01T00:00Z", "2024-01-01T00:15Z", "2024-01-01T00:30Z", "2024-01-01T00:45Z"],
            "15min",
            "2024-01-01",
        ),
        (
            ["2024-01-01 01:00 PM", "2024-01-01 02:00 PM", "2024-01-01 03:00 PM", "2024-01-01 04:00 PM"],
            "h",
            "2024-01-01T13:00:00",
        ),
        (["1", "2", "3", "4"], "1", "1"),
    ],
)
def test_times_are_read_in_many_ways_and_give_their_frequency(
    texts: list[str], frequency: str, first: str
) -> None:
    rows = "".join(f"a,{text},{number}.5\n" for number, text in enumerate(texts))
    reading = read(f"unique_id,ds,y\n{rows}".encode())
    assert reading.table is not None, (reading.problems, reading.questions)
    assert (reading.table.frequency, reading.table.first_ds) == (frequency, first)
