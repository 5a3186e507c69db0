"""Writing to the audit log."""

from __future__ import annotations

import uuid
from typing import Any

from apps.audit.models import AuditEvent
from apps.core import request_context, scope


def record(
    *,
    action: str,
    target_type: str = "",
    target_id: str = "",
    changes: dict[str, Any] | None = None,
    tenant_id: uuid.UUID | None = None,
    outcome: str = "success",
) -> AuditEvent:
    """Note a change inside the transaction that makes it.

    ``action`` is ``noun.past_participle`` (``model.promoted``); ``changes`` holds before and after, never a secret.
    The actor, address and request id come from the request context; the tenant from the scope unless given.
    """
    context = request_context.current()
    tenant = scope.current().tenant
    return AuditEvent.objects.create(
        tenant_id=tenant_id or (tenant.id if tenant else None),
        actor_type=context.actor.type,
        actor_id=context.actor.id,
        actor_label=context.actor.label,
        action=action,
        target_type=target_type,
        target_id=target_id,
        changes=changes or {},
        ip=context.ip,
        user_agent=context.user_agent[:300],
        request_id=context.request_id,
        outcome=outcome,
    )
