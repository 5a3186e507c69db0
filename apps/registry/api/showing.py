"""Models and their versions as the API gives them."""

from __future__ import annotations

from typing import Any

from apps.core.ids import public_id
from apps.registry.models import Model, ModelVersion


def model(of: Model) -> dict[str, Any]:
    """A model with the versions that its aliases name."""
    return {
        "id": public_id("mdl", of.id),
        "name": of.name,
        "dataset": of.dataset.slug,
        "created_at": of.created_at,
        "champion": of.champion and short(of.champion),
        "challenger": of.challenger and short(of.challenger),
        "previous": of.previous and short(of.previous),
        "notice": (of.champion and of.champion.notice) or None,
    }


def short(of: ModelVersion) -> dict[str, Any]:
    """What a program must know before it asks."""
    return {
        "id": of.public_id,
        "version": of.number,
        "semver": of.semver,
        "algorithm": of.algorithm,
        "label": of.label,
        "metrics": of.metrics,
        "horizon_max": of.horizon_max,
        "levels": of.levels,
        "frequency": of.frequency,
        "series_count": of.series_count,
        "cutoff": of.cutoff,
        "sha256": of.bundle_sha256,
        "created_at": of.created_at,
    }


def version(of: ModelVersion, in_model: Model) -> dict[str, Any]:
    """A version with all that its row keeps."""
    return {
        "model": in_model.name,
        "ref": f"{in_model.name}@{of.semver}",
        "aliases": in_model.aliases_of(of),
        **short(of),
        "bytes": of.bundle_bytes,
        "data_version_id": public_id("dsv", of.dataset_version_id),
        "seed": of.seed,
        "code_version": of.code_version,
        "params": of.params,
        "schema": of.schema,
        "notes": of.notes,
        "verdict": of.verdict or None,
        "notice": of.notice or None,
        "archived_at": of.archived_at,
    }
