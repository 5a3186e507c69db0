"""Telling: one row in the outbox, in the transaction of what happened."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.db import connection

from apps.core import scope
from apps.core.ids import new_id


def emit(*, type: str, data: dict[str, Any], tenant_id: uuid.UUID | None = None) -> None:
    """Note that something happened, inside the caller's transaction; it is told once that commits.

    ``type`` is ``noun.past_participle``; ``data`` is JSON, holds ids and what a mail must say, never a secret. The
    tenant comes from the scope unless given.
    """
    tenant = scope.current().tenant
    owner = tenant_id or (tenant.id if tenant else None)
    # Not by the ORM, which asks for the defaults back: those who may write here may not read.
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO events_event (id, tenant_id, type, data) VALUES (%s, %s, %s, %s::jsonb)",
            [new_id(), owner, type, json.dumps(data, allow_nan=False)],
        )
