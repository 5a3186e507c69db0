"""Events that programs are told of: taken in order, and ticked off with what was made of them."""

from __future__ import annotations

from django.utils import timezone

from apps.events.models import Event


def take(most: int) -> list[Event]:
    """Events that nobody has dealt with yet, locked until the caller's transaction ends; the oldest first."""
    waiting = Event.objects.filter(fanned_out_at=None).select_for_update(skip_locked=True)
    return list(waiting.order_by("occurred_at", "id")[:most])


def tick_off(events: list[Event]) -> None:
    """They are dealt with once the caller's transaction commits."""
    Event.objects.filter(id__in=[event.id for event in events]).update(fanned_out_at=timezone.now())
