"""Which events are told by mail, and how the mail reads."""

from __future__ import annotations

import email.utils
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.exceptions import TemplateDoesNotExist
from django.template.loader import render_to_string

from apps.core.ids import public_id
from apps.events.models import Event

Recipients = Callable[[dict[str, Any]], list[str]]


@dataclass(frozen=True, slots=True)
class Letter:
    """How one type of event reads: ``mail/<name>.subject.txt``, ``mail/<name>.txt`` and, if there, ``mail/<name>.html``."""

    template: str
    recipients: Recipients


_letters: dict[str, Letter] = {}


def register(type: str, template: str, recipients: Recipients | None = None) -> None:
    """Have events of ``type`` mailed, rendered with their ``data``, one mail for each address.

    ``template`` is the path without its endings, such as ``mail/accounts/invitation``. ``recipients`` defaults to the
    list ``data["to"]``. For an app's ``AppConfig.ready``.
    """
    _letters[type] = Letter(template=template, recipients=recipients or _to)


def find_letter(*, type: str) -> Letter | None:
    """How events of that type are told; None where they are not told by mail."""
    return _letters.get(type)


def compose(event: Event, letter: Letter) -> list[EmailMultiAlternatives]:
    """The event's mails, one for each address. The same event gives the same ``Message-ID``, so that a receiver can
    tell a mail that was sent again."""
    context = {**event.data, "product": "Almanac", "base_url": settings.PUBLIC_URL}
    subject = " ".join(render_to_string(f"{letter.template}.subject.txt", context).split())
    text, html = render_to_string(f"{letter.template}.txt", context), _html(letter, context)
    messages = []
    for number, address in enumerate(letter.recipients(event.data)):
        message = EmailMultiAlternatives(subject, text, to=[address], headers=_headers(event, number))
        if html:
            message.attach_alternative(html, "text/html")
        messages.append(message)
    return messages


def _headers(event: Event, number: int) -> dict[str, str]:
    host = email.utils.parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    return {
        "Message-ID": f"<{public_id('evt', event.id)}.{number}@{host}>",
        "Auto-Submitted": "auto-generated",
    }


def _html(letter: Letter, context: dict[str, Any]) -> str:
    try:
        return render_to_string(f"{letter.template}.html", context)
    except TemplateDoesNotExist:
        return ""


def _to(data: dict[str, Any]) -> list[str]:
    return list(data["to"])
