"""Delivery of the outbox: at least once, one bad mail never in the way of others. Runs as the role ``courier``."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from smtplib import SMTPRecipientsRefused
from typing import Final

import structlog
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.events import mail
from apps.events.models import Event

log = structlog.get_logger(__name__)
BATCH: Final = 50
LEASE: Final = timedelta(
    minutes=5
)  # who is killed while sending leaves the event to the next after this long
FIRST_PAUSE_SECONDS: Final = 10
LONGEST_PAUSE_SECONDS: Final = 6 * 3600
ATTEMPTS: Final = 18  # about two days
KEPT: Final = timedelta(days=30)


def deliver() -> int:
    """Send what is due; returns how many events were dealt with."""
    done = 0
    while events := _take():
        for event in events:
            _tell(event)
        done += len(events)
    return done


def forget_old() -> int:
    """Delete what was told, or given up, long ago."""
    old = Event.objects.filter(occurred_at__lt=timezone.now() - KEPT)
    told, _ = old.filter(mailed_at__isnull=False).delete()
    given_up, _ = old.filter(gave_up_at__isnull=False).delete()
    return told + given_up


def _take() -> list[Event]:
    """Due events, leased by moving their next attempt into the future before anything is sent."""
    now = timezone.now()
    with transaction.atomic():
        due = Event.objects.filter(mailed_at=None, gave_up_at=None, next_attempt_at__lte=now)
        events = list(due.select_for_update(skip_locked=True).order_by("next_attempt_at")[:BATCH])
        taken = Event.objects.filter(id__in=[event.id for event in events])
        taken.update(next_attempt_at=now + LEASE, attempts=F("attempts") + 1)
    return events


def _tell(event: Event) -> None:
    letter = mail.find_letter(type=event.type)
    failure = _failure_of(lambda: _send(event, mail.compose(event, letter))) if letter else None
    if failure is None:
        _mark(event.id, mailed_at=timezone.now())
    else:
        _postpone(event, failure)


def _send(event: Event, messages: list[EmailMultiAlternatives]) -> None:
    """Send to each address that is not done with; a lasting refusal of one is noted and does not hold up the rest."""
    failures = []
    for message in messages:
        address = message.to[0]
        if address in event.done_with:
            continue
        failure = _failure_of(message.send)
        if isinstance(failure, SMTPRecipientsRefused) and _lasting(failure):
            _mark(event.id, last_error=f"{address} was refused"[:300])
        elif failure is not None:
            failures.append(failure)
            continue
        event.done_with.append(address)
        _mark(event.id, done_with=event.done_with)
    if failures:
        raise failures[0]


def _failure_of(work: Callable[[], object]) -> Exception | None:
    """What went wrong, if anything: a template's or a mail server's fault must not stop the other mails."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 - kept with the event, which is tried again
        return error
    return None


def _lasting(refusal: SMTPRecipientsRefused) -> bool:
    return all(code >= 500 for code, _text in refusal.recipients.values())


def _postpone(event: Event, error: Exception) -> None:
    reason, attempt = f"{type(error).__name__}: {error}"[:300], event.attempts + 1
    log.warning(
        "mail_not_sent", event_id=str(event.id), type=event.type, attempt=attempt, error=type(error).__name__
    )
    if attempt >= ATTEMPTS:
        _mark(event.id, gave_up_at=timezone.now(), last_error=reason)
    else:
        _mark(event.id, next_attempt_at=timezone.now() + pause(attempt), last_error=reason)


def pause(attempt: int) -> timedelta:
    """Twice as long each time, spread by a fifth so that a recovering server is not met by all at once."""
    seconds = min(FIRST_PAUSE_SECONDS * 2.0 ** (attempt - 1), LONGEST_PAUSE_SECONDS)
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311 - no secret depends on it


def _mark(event_id: uuid.UUID, **columns: datetime | str | list[str]) -> None:
    Event.objects.filter(id=event_id).update(**columns)
