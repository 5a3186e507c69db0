"""Data sets and what belongs to them, as the API gives them."""

from __future__ import annotations

from typing import Any

from apps.core.ids import public_id
from apps.datasets.models import Dataset, DatasetVersion, Recipe, Source, Upload
from apps.datasets.services import Changed


def dataset(row: Dataset, newest: DatasetVersion | None) -> dict[str, Any]:
    """A data set as the API lists it."""
    return {
        "id": row.public_id,
        "name": row.slug,
        "title": row.name,
        "description": row.description,
        "origin": row.origin,
        "generated": row.generated,
        "created_at": row.created_at,
        "version": version(newest) if newest else None,
    }


def whole(row: Dataset, newest: DatasetVersion) -> dict[str, Any]:
    """A data set with how it was read, what the doctor found, its recipe and settings."""
    return {
        **dataset(row, newest),
        "columns": newest.columns,
        "findings": newest.findings,
        "recipe": recipe(newest.recipe),
        "expectations": row.expectations,
        "retention": {"keep_versions": row.keep_versions, "keep_days": row.keep_days},
    }


def version(row: DatasetVersion) -> dict[str, Any]:
    """A version in a list."""
    return {
        "id": row.public_id,
        "number": row.number,
        "change": row.change,
        "note": row.note,
        "counts": row.counts,
        "rows": row.rows,
        "series_count": row.series_count,
        "first_ds": row.first_ds,
        "last_ds": row.last_ds,
        "frequency": row.frequency or None,
        "season_length": row.season_length,
        "sha256": row.sha256,
        "checked": row.checked_at is not None,
        "created_by": row.created_by,
        "created_at": row.created_at,
    }


def version_whole(row: DatasetVersion) -> dict[str, Any]:
    """A version with its manifest."""
    parts = row.parts.select_related("file").order_by("position")
    return {
        **version(row),
        "parent": public_id("dsv", row.parent_id) if row.parent_id else None,
        "upload": public_id("up", row.upload_id) if row.upload_id else None,
        "columns": row.columns,
        "findings": row.findings,
        "recipe": recipe(row.recipe),
        "expectations": row.expected,
        "parts": [
            {
                "sha256": part.file.sha256,
                "bytes": part.file.size,
                "columns": part.columns,
                "not_before": part.not_before,
                "reset": part.reset,
            }
            for part in parts
        ],
    }


def recipe(row: Recipe | None) -> dict[str, Any] | None:
    """What was accepted to be done about findings; None where nothing was."""
    if row is None:
        return None
    return {
        "number": row.number,
        "steps": row.steps,
        "created_by": row.created_by,
        "created_at": row.created_at,
    }


def upload(row: Upload) -> dict[str, Any]:
    """An upload and what its reading said."""
    return {
        "id": row.public_id,
        "filename": row.filename,
        "size": row.size,
        "sha256": row.sha256 or None,
        "status": row.state,
        "job": public_id("job", row.job_id) if row.job_id else None,
        "dataset": row.dataset.slug if row.dataset else None,
        "reading": row.reading or None,
        "created_by": row.created_by,
        "created_at": row.created_at,
    }


def changed(done: Changed) -> dict[str, Any]:
    """What a change did."""
    return {
        "added": done.added,
        "changed": done.changed,
        "removed": done.removed,
        "unchanged": done.unchanged,
        "version": version(done.version),
    }


def source(row: Source) -> dict[str, Any]:
    """A source; its secret is never shown."""
    return {
        "id": row.public_id,
        "name": row.name,
        "kind": row.kind,
        "dataset": row.dataset.slug if row.dataset else None,
        "config": row.config,
        "has_secret": row.secret is not None,
        "mode": row.mode,
        "cron": row.cron or None,
        "timezone": row.timezone,
        "job": public_id("job", row.job_id) if row.job_id else None,
        "last_fetch": {"at": row.fetched_at, "outcome": row.outcome or None, "message": row.message or None},
        "created_by": row.created_by,
        "created_at": row.created_at,
    }
