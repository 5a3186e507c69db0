"""The handlers of hosting's jobs."""

from __future__ import annotations

from typing import Any

from apps import jobs
from apps.hosting import services


@jobs.handler("hosting.forget")
def forget(payload: dict[str, Any], _progress: jobs.Progress) -> dict[str, Any]:
    """Delete the files of deleted versions."""
    services.forget(paths=payload["paths"])
    return {"files": len(payload["paths"])}
