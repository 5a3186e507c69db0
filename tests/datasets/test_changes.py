"""Appending, correcting, deleting, replacing, bringing back: one version each, and nothing where nothing changes."""

from __future__ import annotations

import datetime as dt
import io
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from apps.core.errors import NotFound
from apps.core.tenancy import TenantKey
from apps.datasets import lineage, queries, services
from apps.datasets.doctor.contracts import Step
from apps.datasets.errors import (
    ExpectationsFailed,
    MappingInvalid,
    ObservationsInvalid,
    RecipeChanged,
    RecipeInvalid,
    TooManyRows,
)
from apps.datasets.models import Dataset, DatasetVersion, StoredFile, Upload
from apps.datasets.points import state
from apps.datasets.reading.contracts import ColumnMapping
from apps.datasets.services import files
from apps.jobs.models import Job
from tenants.context import system_scope, tenant_scope
from tenants.models import TenantLimits
from tests import factories, trained
from tests.datasets.csv_files import daily

pytestmark = pytest.mark.usefixtures("in_process")
MAPPING = ColumnMapping("ds", "y", ("unique_id",))
Send = Callable[..., Upload]


@pytest.fixture
def sales(upload: Send) -> Dataset:
    """Two series of twenty days."""
    return services.accept_upload(upload_id=upload().id, name="Sales", mapping=MAPPING)


def newest(dataset: Dataset) -> DatasetVersion:
    return queries.get_current_version(dataset=dataset)


def points(version: DatasetVersion, series: str = "a") -> dict[str, Any]:
    with files.entries(version) as entries:
        table = state.current(entries, series=[series])
    return {str(ds)[:10]: y for ds, y in zip(table["ds"].to_list(), table["y"].to_list(), strict=True)}


def row(ds: str, y: float | None, name: str = "a") -> dict[str, Any]:
    return {"unique_id": name, "ds": ds, "y": y}


def test_new_rows_are_added_and_known_ones_corrected_in_a_part_of_their_own(sales: Dataset) -> None:
    done = services.append(
        slug="sales", rows=[row("2024-01-21", 9), row("2024-01-20", 7), row("2024-01-19", 19.5)]
    )
    assert (done.added, done.changed, done.unchanged) == (1, 1, 1)
    version = newest(sales)
    assert (version.number, version.change, version.rows, version.last_ds) == (2, "append", 41, "2024-01-21")
    parts = list(version.parts.select_related("file"))
    assert [part.not_before is None for part in parts] == [True, False]
    assert points(version)["2024-01-20"] == 7
    assert points(queries.get_version(slug="sales", number=1))["2024-01-20"] == 20.5
    assert Job.objects.filter(kind="datasets.examine").count() == 1


def test_a_repeat_changes_nothing(sales: Dataset) -> None:
    rows = [row("2024-01-21", 9)]
    services.append(slug="sales", rows=rows)
    again = services.append(slug="sales", rows=rows)
    assert (again.added, again.changed, again.unchanged, again.version.number) == (0, 0, 1, 2)


def test_a_new_series_counts(sales: Dataset) -> None:
    done = services.append(slug="sales", rows=[row("2024-01-20", 1, "c")])
    assert (done.version.series_count, done.version.rows) == (3, 41)


@pytest.mark.parametrize(
    ("bad", "code", "pointer"),
    [
        ({"unique_id": "a", "ds": "2024-01-21", "y": "many"}, "not_a_number", "/observations/1/y"),
        ({"unique_id": "a", "ds": "2024-01-21", "y": True}, "not_a_number", "/observations/1/y"),
        ({"unique_id": "a", "ds": "21st", "y": 1}, "not_a_time", "/observations/1/ds"),
        ({"unique_id": "a", "ds": 7, "y": 1}, "not_a_time", "/observations/1/ds"),
        ({"ds": "2024-01-21", "y": 1}, "missing_series", "/observations/1/unique_id"),
        (
            {"unique_id": "x" * 201, "ds": "2024-01-21", "y": 1},
            "series_name_too_long",
            "/observations/1/unique_id",
        ),
        (
            {"unique_id": "a", "ds": "2024-01-21", "y": 1, "prize": 3},
            "unknown_column",
            "/observations/1/prize",
        ),
        (7, "not_an_object", "/observations/1"),
    ],
)
def test_a_bad_row_is_named_and_none_is_stored(sales: Dataset, bad: Any, code: str, pointer: str) -> None:
    with pytest.raises(ObservationsInvalid) as refused:
        services.append(slug="sales", rows=[row("2024-01-21", 9), bad])
    assert (refused.value.errors[0].code, refused.value.errors[0].pointer) == (code, pointer)
    assert newest(sales).number == 1


def test_the_plan_bounds_what_is_added(sales: Dataset, in_acme: TenantKey) -> None:
    with system_scope("billing"):
        TenantLimits.objects.filter(tenant_id=in_acme.id).update(rows=40)
    services.append(slug="sales", rows=[row("2024-01-20", 7)])  # a correction needs no room
    with pytest.raises(TooManyRows):
        services.append(slug="sales", rows=[row("2024-01-21", 9)])


def test_points_are_deleted_and_stay_known_for_looking_back(sales: Dataset) -> None:
    services.append(slug="sales", rows=[row("2024-01-21", 9)])
    before = timezone.now()
    done = services.delete_points(slug="sales", series=["a"], start="2024-01-19", end=None)
    assert (done.removed, done.version.rows, done.version.last_ds) == (3, 38, "2024-01-20")
    with files.entries(newest(sales)) as entries:
        assert state.as_of(entries, before, series=["a"]).height == 21
        assert state.as_of(entries, timezone.now(), series=["a"]).height == 18
    with pytest.raises(MappingInvalid):
        services.delete_points(slug="sales", series=None, start=None, end=None)


def test_a_replacement_is_all_there_is_and_the_old_stays_known_for_looking_back(
    sales: Dataset, upload: Send
) -> None:
    before = timezone.now()
    fresh = upload(daily("c"))
    done = services.replace(slug="sales", upload_id=fresh.id)
    assert (done.version.rows, done.version.series_count, points(done.version)) == (20, 1, {})
    with files.entries(done.version) as entries:
        assert state.as_of(entries, before).height == 40
    restated = services.replace(slug="sales", upload_id=upload(daily("d")).id, restate=True)
    assert restated.version.parts.count() == 1


def test_an_earlier_version_comes_back_as_the_newest(sales: Dataset, upload: Send) -> None:
    services.append(slug="sales", rows=[row("2024-01-20", 7)])
    services.replace(slug="sales", upload_id=upload(daily("c")).id)
    done = services.restore(slug="sales", number=1)
    assert (done.version.number, done.version.change, done.version.rows) == (4, "restore", 40)
    assert points(done.version)["2024-01-20"] == 20.5
    with pytest.raises(NotFound):
        services.restore(slug="sales", number=99)


def test_two_versions_are_told_apart(sales: Dataset) -> None:
    services.append(slug="sales", rows=[row("2024-01-21", 9), row("2024-01-20", 7)])
    older, newer = (queries.get_version(slug="sales", number=number) for number in (1, 2))
    told = services.diff(older=older, newer=newer)
    assert told["totals"] == {"added": 1, "changed": 1, "removed": 0}
    assert told["series"] == [{"unique_id": "a", "added": 1, "changed": 1, "removed": 0}]
    assert {(each["ds"], each["before"], each["after"]) for each in told["examples"]} == {
        ("2024-01-20T00:00:00", 20.5, 7.0),
        ("2024-01-21T00:00:00", None, 9.0),
    }


def test_a_file_is_added_as_the_first_was_read(sales: Dataset, upload: Send) -> None:
    more = upload("unique_id,ds,y\na,2024-01-21,21.5\na,2024-01-22,22.5\n")
    done = services.add_file(slug="sales", upload_id=more.id)
    assert (done.added, done.version.rows, done.version.upload) == (2, 42, more)


def test_a_file_that_says_since_when_it_is_known_is_taken_at_its_word(sales: Dataset, upload: Send) -> None:
    more = upload(
        "unique_id,ds,y,known_at\na,2024-01-21,1,2024-01-22T08:00:00\na,2024-01-21,2,2024-02-01T08:00:00\n"
        "a,2024-01-22,3,2024-01-23T08:00:00\n"
    )
    done = services.add_file(slug="sales", upload_id=more.id)
    with files.entries(done.version) as entries:
        at = dt.datetime(2024, 1, 25, tzinfo=dt.UTC)
        seen = state.as_of(entries, at, series=["a"])
    assert seen["y"].to_list()[-2:] == [1.0, 3.0]
    assert points(done.version)["2024-01-21"] == 2.0


def test_a_backtest_sees_what_was_known(sales: Dataset) -> None:
    services.append(slug="sales", rows=[row("2024-01-10", 1000)])
    panel = queries.read_panel(version=newest(sales))
    assert panel.vintages is not None
    assert panel.series(0)[9] == 1000
    assert panel.head(panel.lengths - 5).series(0)[9] != 1000


def test_fixes_become_a_recipe_and_the_stored_points_stay(upload: Send) -> None:
    sent = upload(daily() + "a,2024-01-03,9\n")
    dataset = services.accept_upload(upload_id=sent.id, name="Doubles", mapping=MAPPING)
    assert [each.code for each in queries.open_findings(newest(dataset))] == ["conflicting_rows"]
    version = services.accept_fixes(slug="doubles", steps=[Step("conflicting_rows", "keep_last")], based_on=0)
    assert (version.number, version.recipe and version.recipe.number, version.rows) == (2, 1, 41)
    assert queries.read_panel(version=version).series(0)[2] == 9
    with pytest.raises(RecipeChanged):
        services.accept_fixes(slug="doubles", steps=[], based_on=0)
    with pytest.raises(RecipeInvalid) as refused:
        services.accept_fixes(slug="doubles", steps=[Step("outliers", "magic")])
    assert refused.value.errors[0].pointer == "/steps/0"


def test_a_preview_counts_and_shows_and_changes_nothing(upload: Send) -> None:
    sent = upload(daily() + "a,2024-01-03,9\n")
    dataset = services.accept_upload(upload_id=sent.id, name="Doubles", mapping=MAPPING)
    said = services.preview_fix(version=newest(dataset), steps=[Step("conflicting_rows", "keep_last")])
    assert said["by_code"]["conflicting_rows"] >= 1
    assert said["examples"][0]["series_id"] == "a"
    assert newest(dataset).number == 1


def test_a_cell_that_was_no_number_is_still_found_after_an_append(upload: Send, recording: Any) -> None:
    sent = upload(daily().replace("b,2024-01-05,5.5", "b,2024-01-05,closed"))
    dataset = services.accept_upload(upload_id=sent.id, name="Sales", mapping=MAPPING)
    services.append(slug="sales", rows=[row("2024-01-21", 9)])
    services.examine_version(version_id=newest(dataset).id, progress=recording)
    assert [each.code for each in queries.open_findings(newest(dataset))] == ["wrong_type"]
    services.append(slug="sales", rows=[row("2024-01-05", 5, "b")])
    services.examine_version(version_id=newest(dataset).id, progress=recording)
    assert queries.open_findings(newest(dataset)) == []


def test_a_blocking_expectation_refuses_a_version_and_a_warning_is_kept(sales: Dataset) -> None:
    stated = [
        {"name": "Never negative", "kind": "range", "column": "y", "min": 0, "severity": "block"},
        {"name": "Small", "kind": "range", "column": "y", "max": 15, "severity": "warn"},
    ]
    services.state_expectations(slug="sales", stated=stated)
    with pytest.raises(ExpectationsFailed):
        services.append(slug="sales", rows=[row("2024-01-21", -1)])
    version = services.append(slug="sales", rows=[row("2024-01-21", 99)]).version
    assert [(each["name"], each["passed"]) for each in version.expected] == [
        ("Never negative", True),
        ("Small", False),
    ]


def test_many_parts_are_laid_together_and_say_the_same(sales: Dataset, recording: Any) -> None:
    for day in range(21, 27):
        services.append(slug="sales", rows=[row(f"2024-01-{day}", day), row("2024-01-10", day)])
    before, moment = newest(sales), timezone.now()
    done = services.compact(version_id=before.id, progress=recording)
    assert (done.change, done.parts.count(), done.rows) == ("compaction", 1, before.rows)
    with files.entries(before) as old, files.entries(done) as new:
        for at in (moment, moment - dt.timedelta(milliseconds=200), dt.datetime(2024, 1, 12, tzinfo=dt.UTC)):
            assert state.as_of(old, at).drop("__row").equals(state.as_of(new, at).drop("__row"))
        assert state.current(old).drop("__row").equals(state.current(new).drop("__row"))


def test_old_versions_go_and_what_a_model_rests_on_stays(in_acme: TenantKey, recording: Any) -> None:
    model = trained.model("sales")
    dataset = model.model.dataset
    for day in range(1, 4):
        services.append(
            slug=dataset.slug, rows=[{"unique_id": "series-0", "ds": f"2021-0{day}-01", "y": day}]
        )
    services.change_settings(slug=dataset.slug, changes={"keep_versions": 1})
    assert services.prune(dataset=queries.get_dataset(slug=dataset.slug)) == 2
    assert [version.number for version in dataset.versions.order_by("number")] == [1, 4]
    assert list(lineage.uses_of(dataset.versions.get(number=1)))


def test_files_that_nothing_names_are_deleted_later(sales: Dataset, upload: Send) -> None:
    upload(daily("zz"))
    Upload.objects.filter(dataset=None).delete()
    assert services.discard_unused_files() == 0  # somebody may be about to use them
    StoredFile.objects.update(created_at=timezone.now() - dt.timedelta(days=2))
    assert services.discard_unused_files() == 2
    assert points(newest(sales))["2024-01-20"] == 20.5


def test_a_data_set_in_use_is_not_deleted(in_acme: TenantKey) -> None:
    from apps.datasets.errors import DatasetInUse

    model = trained.model("sales")
    with pytest.raises(DatasetInUse, match="model version"):
        services.delete_dataset(slug=model.model.dataset.slug)
    other = trained.dataset("Other")
    services.delete_dataset(slug="other")
    assert not Dataset.objects.filter(id=other.id).exists()


def test_two_appends_at_the_same_moment_both_land(committed: None) -> None:
    acme = factories.tenant("acme").key
    with tenant_scope(acme):
        data: Any = io.BytesIO(daily().encode())
        sent = services.receive_upload(filename="sales.csv", stream=data)
        dataset = services.accept_upload(upload_id=sent.id, name="Sales", mapping=MAPPING)

    def add(day: int) -> None:
        from django.db import connections

        try:
            with tenant_scope(acme):
                services.append(slug="sales", rows=[row(f"2024-02-0{day}", day)])
        finally:
            for connection in connections.all():
                connection.close()

    threads = [threading.Thread(target=add, args=(day,)) for day in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with tenant_scope(acme):
        version = newest(dataset)
        assert (version.number, version.rows) == (4, 43)
        assert {day: points(version)[f"2024-02-0{day}"] for day in (1, 2, 3)} == {1: 1.0, 2: 2.0, 3: 3.0}
