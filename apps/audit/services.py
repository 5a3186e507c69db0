"""Writing to the audit log."""

from __future__ import annotations

import json
import secrets
import uuid
from typing import Any

from django.db import transaction

from apps.audit import chain
from apps.audit.models import AuditEvent, AuditPersonal
from apps.core import request_context, scope


def record(
    *,
    action: str,
    target_type: str = "",
    target_id: str = "",
    changes: dict[str, Any] | None = None,
    personal: dict[str, Any] | None = None,
    tenant_id: uuid.UUID | None = None,
    outcome: str = "success",
) -> AuditEvent:
    """Note a change inside the transaction that makes it.

    ``action`` is ``noun.past_participle`` (``model.promoted``); ``changes`` holds before and after, never a secret and
    nothing about people. That goes into ``personal`` (e-mail addresses, names of people), which can be erased later
    without touching the event. The actor, address and request id come from the request context; the tenant from the
    scope unless given.
    """
    context = request_context.current()
    tenant = scope.current().tenant
    owner = tenant_id or (tenant.id if tenant else None)
    about_people = _about_people(context, personal or {})
    salt = secrets.token_bytes(16)
    with transaction.atomic(savepoint=False):  # inside a use case's own, which fails as a whole
        event = AuditEvent.objects.create(
            tenant_id=owner,
            actor_type=context.actor.type,
            actor_id=context.actor.id,
            action=action,
            target_type=target_type,
            target_id=target_id,
            changes=changes or {},
            request_id=context.request_id,
            outcome=outcome,
            personal_digest=chain.personal_digest(salt, about_people) if about_people else b"",
        )
        if about_people:
            AuditPersonal.objects.create(event=event, tenant_id=owner, salt=salt, data=about_people)
    return event


def record_export(*, form: str, wanted: dict[str, str]) -> AuditEvent:
    """Note that the log, or what of it was ``wanted``, was taken as a file. What was searched for may name people."""
    named: dict[str, Any] = {name: wanted[name] for name in ("search", "actor") if name in wanted}
    rest = {name: value for name, value in wanted.items() if name not in named}
    return record(action="audit.exported", changes={"format": form, **rest}, personal=named)


def _about_people(context: request_context.RequestContext, details: dict[str, Any]) -> dict[str, Any]:
    found = {
        "actor_label": context.actor.label,
        "ip": context.ip,
        "user_agent": context.user_agent[:300],
        # As the database will give it back, or its digest would differ: names are text, and no number is written anew.
        "details": json.loads(json.dumps(details), parse_float=str),
    }
    return {name: value for name, value in found.items() if value}
