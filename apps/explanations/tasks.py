"""The explanation job's handler."""

from __future__ import annotations

import uuid
from typing import Any

from apps import jobs
from apps.explanations import services


@jobs.handler("explanations.explain")
def run(payload: dict[str, Any], progress: jobs.Progress) -> dict[str, Any]:
    """Explain what the row asks for."""
    explanation = services.perform(explanation_id=uuid.UUID(payload["explanation_id"]), progress=progress)
    return {"explanation_id": str(explanation.id), "method": explanation.method}
