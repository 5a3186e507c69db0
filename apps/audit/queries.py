"""Reading the audit log."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from django.db.models import Q, QuerySet

from apps.audit.models import AuditEvent, AuditSeal

ACTOR_TYPES: Final = ("user", "key", "operator", "system", "anonymous")
OUTCOMES: Final = ("success", "failure")
_EXACT: Final = ("action", "actor_type", "outcome", "request_id")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events; what is empty does not narrow. ``search`` looks into actor, action and target, and for a whole
    request id; ``actor`` and ``target`` are whole ids, or an actor's whole label. ``until`` is not included."""

    search: str = ""
    action: str = ""
    actor: str = ""
    actor_type: str = ""
    target: str = ""
    request_id: str = ""
    outcome: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def given(self) -> dict[str, str]:
        """What narrows, as text."""
        return {name: str(value) for name, value in asdict(self).items() if value}


@dataclass(frozen=True, slots=True)
class ChainState:
    """How far the chain of the tenant in scope goes."""

    number: int
    sealed_at: datetime | None


def list_events(wanted: Filter | None = None) -> QuerySet[AuditEvent]:
    """Events that the scope may see, newest first, with what they hold about people and their seals."""
    wanted = wanted or Filter()
    events = AuditEvent.objects.select_related("personal", "seal").order_by("-id")
    if wanted.search:
        events = events.filter(_matches(wanted.search))
    if wanted.actor:
        events = events.filter(Q(actor_id=wanted.actor) | Q(personal__data__actor_label=wanted.actor))
    if wanted.target:
        events = events.filter(target_id=wanted.target)
    if wanted.since:
        events = events.filter(occurred_at__gte=wanted.since)
    if wanted.until:
        events = events.filter(occurred_at__lt=wanted.until)
    return events.filter(**{name: wanted.given[name] for name in _EXACT if name in wanted.given})


def list_actions() -> list[str]:
    """Every action that the scope sees in the log, by name."""
    return list(AuditEvent.objects.order_by("action").values_list("action", flat=True).distinct())


def chain_state() -> ChainState:
    """The last seal that the scope sees."""
    last = AuditSeal.objects.order_by("-number").first()
    return ChainState(last.number, last.sealed_at) if last else ChainState(0, None)


def _matches(text: str) -> Q:
    return (
        Q(personal__data__actor_label__icontains=text)
        | Q(target_id__icontains=text)
        | Q(action__icontains=text)
        | Q(actor_id=text)
        | Q(request_id=text)
    )
