"""Uploads become data sets once, whole or not at all, and inside the plan."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings

from apps.audit.models import AuditEvent
from apps.core import storage
from apps.core.errors import NotFound
from apps.core.tenancy import TenantKey
from apps.datasets import queries, services
from apps.datasets.doctor.contracts import Step
from apps.datasets.errors import (
    ChoiceNeeded,
    FileRefused,
    FileTooLarge,
    NameTaken,
    NotTrainable,
    TooManyDatasets,
    TooManyRows,
    UploadUsed,
)
from apps.datasets.models import Dataset, Upload
from apps.datasets.reading.contracts import ColumnMapping, Reading
from tenants.context import tenant_scope
from tenants.models import TenantLimits
from tests.datasets.csv_files import daily

pytestmark = pytest.mark.usefixtures("in_process")
MAPPING = ColumnMapping("ds", "y", ("unique_id",))
Send = Callable[..., Upload]


def incoming(tenant: TenantKey) -> list[Path]:
    """Temporary files that are left over."""
    folder = storage.tenant_path(tenant, "incoming")
    return list(folder.iterdir()) if folder.exists() else []


def test_an_accepted_upload_is_a_data_set_with_a_version_a_file_and_audit_rows(
    upload: Send, in_acme: TenantKey
) -> None:
    dataset = services.accept_upload(upload_id=upload().id, name="Corner sales", mapping=MAPPING)
    version = queries.get_current_version(dataset=dataset)
    assert (dataset.slug, version.rows, version.series_count, version.frequency) == (
        "corner-sales",
        40,
        2,
        "D",
    )
    assert (version.first_ds, version.last_ds, version.recipe) == ("2024-01-01", "2024-01-20", None)
    part = version.parts.get()
    content = storage.read_content(in_acme, part.file.path, part.file.sha256)
    assert (hashlib.sha256(content).hexdigest(), part.columns) == (part.file.sha256, ["y"])
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"upload.received", "dataset.created", "dataset.version_created"} <= actions
    assert incoming(in_acme) == []


def test_the_panel_of_a_version_is_what_was_uploaded(upload: Send) -> None:
    dataset = services.accept_upload(upload_id=upload().id, name="Sales", mapping=MAPPING)
    panel = queries.read_panel(version=queries.get_current_version(dataset=dataset))
    np.testing.assert_array_equal(panel.series(0), np.arange(1, 21) + 0.5)


def test_a_damaged_file_is_noticed(upload: Send, in_acme: TenantKey) -> None:
    dataset = services.accept_upload(upload_id=upload().id, name="Sales", mapping=MAPPING)
    version = queries.get_current_version(dataset=dataset)
    path = storage.tenant_path(in_acme, version.parts.get().file.path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(storage.StorageCorrupted):
        queries.read_panel(version=version)


def test_the_same_points_are_stored_once(upload: Send) -> None:
    versions = [
        queries.get_current_version(
            dataset=services.accept_upload(upload_id=upload().id, name=name, mapping=MAPPING)
        )
        for name in ("One", "Two")
    ]
    assert versions[0].parts.get().file == versions[1].parts.get().file


def test_the_accepted_gap_rule_is_kept_with_the_version(upload: Send) -> None:
    gappy = upload(daily().replace("a,2024-01-07,7.5\n", ""))
    dataset = services.accept_upload(upload_id=gappy.id, name="Gaps", mapping=MAPPING, gap_rule="zero")
    version = queries.get_current_version(dataset=dataset)
    assert [(step.code, step.fix) for step in queries.steps_of(version)] == [("gaps", "zero")]
    assert version.columns["missing_steps"] == 1
    assert queries.read_panel(version=version).series(0)[6] == 0.0


def test_an_upload_is_accepted_once(upload: Send) -> None:
    sent = upload()
    services.accept_upload(upload_id=sent.id, name="One", mapping=MAPPING)
    with pytest.raises(UploadUsed):
        services.accept_upload(upload_id=sent.id, name="Two", mapping=MAPPING)


def test_a_name_is_given_once_and_slugs_stay_apart(upload: Send) -> None:
    first = services.accept_upload(upload_id=upload().id, name="New", mapping=MAPPING)
    second = services.accept_upload(upload_id=upload().id, name="new!", mapping=MAPPING)
    assert (first.slug, second.slug) == ("new-2", "new-3")
    with pytest.raises(NameTaken):
        services.accept_upload(upload_id=upload().id, name="New", mapping=MAPPING)
    assert Dataset.objects.count() == 2


def test_a_file_that_is_no_table_leaves_nothing_behind(upload: Send, in_acme: TenantKey) -> None:
    with pytest.raises(FileRefused, match="The file is empty"):
        upload("")
    assert Upload.objects.count() == 0
    assert incoming(in_acme) == []


def test_a_cell_that_is_no_number_keeps_from_training_until_a_fix_is_accepted(upload: Send) -> None:
    sent = upload(daily().replace("b,2024-01-05,5.5", "b,2024-01-05,closed"))
    dataset = services.accept_upload(upload_id=sent.id, name="Sales", mapping=MAPPING)
    version = queries.get_current_version(dataset=dataset)
    assert [(finding.code, finding.rows) for finding in queries.open_findings(version)] == [
        ("wrong_type", (26,))
    ]
    with pytest.raises(NotTrainable, match="row 26"):
        queries.read_panel(version=version)
    fixed = services.accept_fixes(slug=dataset.slug, steps=[Step("wrong_type", "as_missing")])
    assert (fixed.number, fixed.change, queries.open_findings(fixed)) == (2, "recipe", [])
    assert queries.read_panel(version=fixed).series(1)[4] == 4.5


def test_a_table_in_the_wrong_column_is_kept_for_another_mapping_but_not_accepted(upload: Send) -> None:
    sent = upload(daily(header="unique_id,ds,other").replace(".5", "five"))
    assert Reading.from_json(sent.reading).state == "refused"
    with pytest.raises(FileRefused):
        services.accept_upload(
            upload_id=sent.id, name="Sales", mapping=ColumnMapping("ds", "other", ("unique_id",))
        )
    assert Dataset.objects.count() == 0


def test_an_open_question_keeps_an_upload_from_being_accepted_until_it_is_answered(upload: Send) -> None:
    sent = upload("unique_id,ds,y\n" + "".join(f"a,0{day}/01/2024,1.5\n" for day in range(1, 9)))
    with pytest.raises(ChoiceNeeded, match="D/M/YYYY and M/D/YYYY"):
        services.accept_upload(upload_id=sent.id, name="Sales", mapping=MAPPING)
    answered = ColumnMapping("ds", "y", ("unique_id",), choices={"format:ds": "D/M/YYYY"})
    dataset = services.accept_upload(upload_id=sent.id, name="Sales", mapping=answered)
    assert queries.get_current_version(dataset=dataset).last_ds == "2024-01-08"


def test_more_bytes_than_allowed_are_refused_while_they_come(
    in_acme: TenantKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "MAX_UPLOAD_BYTES", 1000)
    with pytest.raises(FileTooLarge):
        services.receive_upload(filename="big.csv", stream=io.BytesIO(b"x" * 1001))
    assert incoming(in_acme) == []


def test_the_plan_bounds_data_sets_and_rows(upload: Send, in_acme: TenantKey) -> None:
    sent = upload()
    limits = TenantLimits.objects.filter(tenant_id=in_acme.id)
    _as_owner(limits, rows=39)
    with pytest.raises(TooManyRows, match="includes 39 rows"):
        services.accept_upload(upload_id=sent.id, name="Sales", mapping=MAPPING)
    _as_owner(limits, rows=1000, datasets=0)
    with pytest.raises(TooManyDatasets):
        upload()


def test_demo_data_is_made_once_and_generated_data_says_so(in_acme: TenantKey) -> None:
    employment = services.load_demo(name="employment")
    version = queries.get_current_version(dataset=employment)
    assert (employment.slug, employment.generated, version.series_count, version.rows) == (
        "us-employment",
        False,
        23,
        2760,
    )
    assert (version.frequency, version.season_length, version.first_ds) == ("MS", 12, "2006-01-01")
    assert services.load_demo(name="employment") == employment
    shop = services.load_demo(name="corner-shop")
    assert shop.generated
    assert "enerated" in shop.name
    assert shop.description.startswith("Generated, not real")
    with pytest.raises(NotFound):
        services.load_demo(name="moon")


def test_the_corner_shop_is_what_it_says(in_acme: TenantKey) -> None:
    version = queries.get_current_version(dataset=services.load_demo(name="corner-shop"))
    findings = {finding["code"]: finding for finding in version.findings}
    assert (version.series_count, version.columns["covariates"]) == (40, ["price", "promotion", "holiday"])
    assert findings["intermittent"]["count"] == 5
    assert findings["gaps"]["series"] == ["dairy / cheddar"]
    panel = queries.read_panel(version=version)
    assert len(panel) == 40
    assert sorted(panel.lengths.tolist())[:4] == [26, 46, 196, 396]
    assert panel.future["price"].shape == (40, 56)
    assert np.isfinite(panel.future["price"]).all()


def test_a_panel_has_only_the_columns_that_are_asked_for(in_acme: TenantKey) -> None:
    version = queries.get_current_version(dataset=services.load_demo(name="corner-shop"))
    assert set(queries.read_panel(version=version, covariates=["price"]).known_future) == {"price"}
    none = queries.read_panel(version=version, covariates=[])
    assert (dict(none.known_future), dict(none.future), dict(none.past)) == ({}, {}, {})


def test_uploads_that_nobody_accepts_are_forgotten_after_a_day(upload: Send, in_acme: TenantKey) -> None:
    old = upload(daily("xy"))
    Upload.objects.update(created_at=old.created_at - timedelta(days=2))
    assert services.discard_stale_uploads() == 1
    assert not storage.tenant_path(in_acme, old.path).exists()


def test_another_tenants_data_sets_are_absent(globex: TenantKey, upload: Send) -> None:
    sent = upload()
    services.accept_upload(upload_id=sent.id, name="Sales", mapping=MAPPING)
    assert Dataset.objects.count() == 1
    with tenant_scope(globex):
        assert Dataset.objects.count() == 0
        with pytest.raises(NotFound):
            queries.get_upload(upload_id=sent.id)


def _as_owner(limits: object, **values: int) -> None:
    """Billing and operators write limits; here the test does."""
    from tenants.context import system_scope

    with system_scope("billing"):
        limits.update(**values)  # type: ignore[attr-defined]
