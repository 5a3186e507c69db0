"""Reading the audit log."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from apps.audit.models import AuditEvent


def list_events(*, search: str = "", action: str = "") -> QuerySet[AuditEvent]:
    """Events that the scope may see, newest first; ``search`` looks at actor, target and request id."""
    events = AuditEvent.objects.select_related("personal", "seal").order_by("-occurred_at", "-id")
    if search:
        events = events.filter(
            Q(personal__data__actor_label__icontains=search)
            | Q(target_id__icontains=search)
            | Q(action__icontains=search)
            | Q(request_id=search)
        )
    return events.filter(action=action) if action else events
