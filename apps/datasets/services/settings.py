"""What a data set is called, expects and keeps; and its end."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from apps.audit import services as audit
from apps.core.errors import FieldError
from apps.datasets import expectations, lineage, queries
from apps.datasets.errors import DatasetInUse, ExpectationsInvalid, NameTaken, SettingsInvalid
from apps.datasets.models import Dataset
from apps.jobs import schedules

MAX_NAME = 120
SETTINGS = ("name", "description", "keep_versions", "keep_days")


def change_settings(*, slug: str, changes: dict[str, Any]) -> Dataset:
    """Rename or describe a data set, or say how long its older versions are kept; the slug stays.

    ``changes`` may hold ``name``, ``description``, ``keep_versions`` and ``keep_days`` (None: for ever). Raises
    ``SettingsInvalid`` and ``NameTaken``.
    """
    dataset = queries.get_dataset(slug=slug)
    before = {name: getattr(dataset, name) for name in changes if name in SETTINGS}
    _check(changes)
    for name, value in changes.items():
        setattr(dataset, name, value.strip() if isinstance(value, str) else value)
    try:
        with transaction.atomic():
            dataset.save(update_fields=list(changes))
            audit.record(
                action="dataset.changed",
                target_type="dataset",
                target_id=dataset.public_id,
                changes={"before": before, "after": changes},
            )
    except IntegrityError as error:
        raise NameTaken(name=changes["name"]) from error
    return dataset


def state_expectations(*, slug: str, stated: Any) -> Dataset:
    """Say what every later version is tested against. Raises ``ExpectationsInvalid`` pointing at what is wrong."""
    dataset = queries.get_dataset(slug=slug)
    faults = expectations.faults(stated)
    if faults:
        errors = [FieldError("expectation_invalid", fault.detail, pointer=fault.pointer) for fault in faults]
        raise ExpectationsInvalid(first=errors[0].detail, errors=errors)
    with transaction.atomic():
        before, dataset.expectations = dataset.expectations, stated
        dataset.save(update_fields=["expectations"])
        audit.record(
            action="dataset.expectations_stated",
            target_type="dataset",
            target_id=dataset.public_id,
            changes={"before": before, "after": stated},
        )
    return dataset


def delete_dataset(*, slug: str) -> None:
    """Delete a data set with its versions, sources and schedules; its files go at the next pruning.

    Raises ``DatasetInUse`` while models or trainings rest on it.
    """
    with transaction.atomic():
        dataset = queries.get_dataset(slug=slug)
        users = lineage.users_of(dataset)
        if users:
            raise DatasetInUse(users=", ".join(users[:5]))
        for source in dataset.sources.all():
            schedules.remove(kind="datasets.fetch", key=str(source.id))
        audit.record(
            action="dataset.deleted",
            target_type="dataset",
            target_id=dataset.public_id,
            changes={"name": dataset.name, "slug": slug, "versions": dataset.versions.count()},
        )
        dataset.delete()


def _check(changes: dict[str, Any]) -> None:
    unknown = sorted(set(changes) - set(SETTINGS))
    if unknown:
        raise SettingsInvalid(reason=f"There is no setting {unknown[0]!r}; there are {', '.join(SETTINGS)}.")
    name = changes.get("name", "name")
    if not isinstance(name, str) or not 1 <= len(name.strip()) <= MAX_NAME:
        raise SettingsInvalid(reason=f"The name must have 1 to {MAX_NAME} characters.")
    if not isinstance(changes.get("description", ""), str):
        raise SettingsInvalid(reason="The description must be a text.")
    for setting in ("keep_versions", "keep_days"):
        value = changes.get(setting)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10_000
        ):
            raise SettingsInvalid(reason=f"{setting} must be a whole number from 1 to 10,000, or nothing.")
