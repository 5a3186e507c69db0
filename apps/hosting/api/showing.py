"""Hosted models and their versions as the API gives them."""

from __future__ import annotations

from typing import Any

from apps.hosting.models import HostedModel, HostedVersion


def model(of: HostedModel) -> dict[str, Any]:
    """A model with what answers."""
    return {
        "id": of.public_id,
        "name": of.name,
        "created_at": of.created_at,
        "champion": of.champion and version(of.champion, of),
    }


def version(of: HostedVersion, in_model: HostedModel) -> dict[str, Any]:
    """A version with its signature and what the sandbox found."""
    return {
        "id": of.public_id,
        "model": in_model.name,
        "version": of.number,
        "serves": in_model.champion_id == of.id,
        "format": of.format,
        "sha256": of.sha256,
        "bytes": of.bytes,
        "signature": of.signature_json,
        "report": of.report,
        "created_by": of.created_by,
        "created_at": of.created_at,
        "archived_at": of.archived_at,
    }
