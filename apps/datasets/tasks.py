"""The jobs of data sets: each one service call."""

from __future__ import annotations

import uuid
from typing import Any

from apps import jobs
from apps.datasets import openlineage, services


@jobs.handler("datasets.read")
def read(payload: dict[str, Any], progress: jobs.Progress) -> dict[str, Any]:
    """Read an upload that is too large for a request."""
    upload = services.perform_reading(upload_id=uuid.UUID(payload["upload_id"]), progress=progress)
    return {"upload": upload.public_id}


@jobs.handler("datasets.accept")
def accept(payload: dict[str, Any], progress: jobs.Progress) -> dict[str, Any]:
    """Make a large upload a data set."""
    dataset = services.perform_acceptance(payload=payload, progress=progress)
    return {"dataset": dataset.slug}


@jobs.handler("datasets.add")
def add(payload: dict[str, Any], progress: jobs.Progress) -> dict[str, Any]:
    """Add a large upload to a data set."""
    done = services.perform_addition(payload=payload, progress=progress)
    return {"dataset": payload["slug"], "version": done.version.number}


@jobs.handler("datasets.examine")
def examine(payload: dict[str, Any], progress: jobs.Progress) -> dict[str, Any]:
    """Have the doctor see a version."""
    version = services.examine_version(version_id=uuid.UUID(payload["version_id"]), progress=progress)
    return {"version": version.public_id, "findings": len(version.findings)}


@jobs.handler("datasets.compact")
def compact(payload: dict[str, Any], progress: jobs.Progress) -> dict[str, Any]:
    """Write many small parts as one."""
    version = services.compact(version_id=uuid.UUID(payload["version_id"]), progress=progress)
    return {"version": version.public_id}


@jobs.handler("datasets.export")
def export(payload: dict[str, Any], progress: jobs.Progress) -> dict[str, Any]:
    """Write a large version as a file."""
    version_id = uuid.UUID(payload["version_id"])
    file = services.perform_export(version_id=version_id, wish=payload["wish"], progress=progress)
    return {"file": file.public_id}


@jobs.handler("datasets.fetch")
def fetch(payload: dict[str, Any], progress: jobs.Progress) -> dict[str, Any]:
    """Fetch from a source, and add or replace what came."""
    return services.perform_fetch(source_id=uuid.UUID(payload["source_id"]), progress=progress)


@jobs.handler("datasets.tell_lineage")
def tell_lineage(payload: dict[str, Any], _progress: jobs.Progress) -> dict[str, Any]:
    """Post an OpenLineage event."""
    openlineage.tell(kind=payload["kind"], id=payload["id"])
    return {}


@jobs.handler("datasets.tidy")
def tidy(_payload: dict[str, Any], _progress: jobs.Progress) -> dict[str, Any]:
    """Let go of what is kept no longer."""
    return services.tidy()
