"""The outbox: told with what happened, at least once, and each mail on its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_string
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from django.core import mail as outgoing
from django.db import DatabaseError, transaction
from django.utils import timezone

from apps.core.scope import SystemRole
from apps.core.tenancy import TenantKey
from apps.events import courier, mail
from apps.events.models import Event
from apps.events.services import emit
from tenants.context import system_scope, tenant_scope

TYPE = "shop.opened"


@pytest.fixture(autouse=True)
def letters(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A letter of these tests' own."""
    folder = tmp_path / "mail"
    folder.mkdir()
    (folder / "opened.subject.txt").write_text("{{ shop }}\nis open")
    (folder / "opened.txt").write_text("{% autoescape off %}Welcome to {{ shop }}.{% endautoescape %}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path, *settings.TEMPLATES[0]["DIRS"]]}]
    monkeypatch.setattr(mail, "_letters", {})
    mail.register(TYPE, "mail/opened")


def tell(*addresses: str, shop: str = "Acme", tenant: TenantKey | None = None, type: str = TYPE) -> None:
    emit(type=type, data={"shop": shop, "to": list(addresses)}, tenant_id=tenant.id if tenant else None)


def deliver() -> int:
    with system_scope(SystemRole.COURIER):
        return courier.deliver()


def events() -> list[Event]:
    with system_scope(SystemRole.COURIER):
        return list(Event.objects.order_by("occurred_at", "id"))


def make_due() -> None:
    with system_scope(SystemRole.COURIER):
        Event.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))


def test_an_event_is_mailed_to_each_address_once(acme: TenantKey) -> None:
    with tenant_scope(acme):
        tell("alice@acme.example", "bob@acme.example")
    assert (deliver(), deliver()) == (1, 0)
    assert sorted(message.to[0] for message in outgoing.outbox) == ["alice@acme.example", "bob@acme.example"]
    assert {message.subject for message in outgoing.outbox} == {"Acme is open"}
    (event,) = events()
    assert event.tenant_id == acme.id
    assert event.mailed_at is not None


def test_it_goes_with_what_happened_when_that_is_undone(acme: TenantKey) -> None:
    def fail() -> None:
        with transaction.atomic():
            tell("alice@acme.example")
            raise ZeroDivisionError

    with tenant_scope(acme), pytest.raises(ZeroDivisionError):
        fail()
    assert deliver() == 0


def test_an_event_that_no_letter_belongs_to_is_done_without_a_mail(db: None) -> None:
    tell("alice@acme.example", type="model.promoted")
    assert deliver() == 1
    assert outgoing.outbox == []
    assert events()[0].mailed_at is not None


@pytest.mark.parametrize("role", ["edge", "dispatcher", "billing", "operator"])
def test_each_part_may_tell_and_none_may_take_it_back(db: None, role: str) -> None:
    with system_scope(role):
        tell("alice@acme.example")
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
            Event.objects.all()._raw_delete(using="default")
    assert len(events()) == 1


def test_a_tenant_tells_nothing_in_another_ones_name_and_reads_nothing(
    acme: TenantKey, globex: TenantKey
) -> None:
    with tenant_scope(acme):
        with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
            tell("mallory@globex.example", tenant=globex)
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
            Event.objects.count()


def test_a_line_break_in_what_a_customer_wrote_adds_no_header(acme: TenantKey) -> None:
    with tenant_scope(acme):
        tell("alice@acme.example", shop="Acme\nBcc: mallory@globex.example")
    deliver()
    (message,) = outgoing.outbox
    sent = message_from_string(message.message().as_string())
    assert sent["Bcc"] is None
    assert sent["Subject"] == "Acme Bcc: mallory@globex.example is open"


def test_a_mail_that_is_sent_again_has_the_same_id(db: None) -> None:
    tell("alice@acme.example", "bob@acme.example")
    event = events()[0]
    letter = mail.find_letter(type=TYPE)
    assert letter is not None
    once, again = (
        [message.extra_headers["Message-ID"] for message in mail.compose(event, letter)] for _ in range(2)
    )
    assert once == again
    assert len(set(once)) == 2


def test_a_broken_letter_is_tried_again_and_holds_up_no_other(db: None) -> None:
    mail.register("shop.burnt", "mail/missing")
    tell("alice@acme.example", type="shop.burnt")
    tell("bob@acme.example")
    assert deliver() == 2
    assert [message.to for message in outgoing.outbox] == [["bob@acme.example"]]
    broken = next(event for event in events() if event.type == "shop.burnt")
    assert (broken.mailed_at, broken.attempts) == (None, 1)
    assert "TemplateDoesNotExist" in broken.last_error
    assert broken.next_attempt_at > timezone.now()


def test_after_the_last_try_it_is_given_up_with_the_reason(db: None) -> None:
    mail.register("shop.burnt", "mail/missing")
    tell("alice@acme.example", type="shop.burnt")
    for _ in range(courier.ATTEMPTS):
        make_due()
        assert deliver() == 1
    make_due()
    assert deliver() == 0
    (event,) = events()
    assert event.gave_up_at is not None
    assert event.mailed_at is None


def test_pauses_grow_to_six_hours_and_are_spread() -> None:
    means = [min(10 * 2.0**number, 6 * 3600) for number in range(courier.ATTEMPTS)]
    for attempt, mean in enumerate(means, start=1):
        pauses = {courier.pause(attempt).total_seconds() for _ in range(20)}
        assert all(0.8 * mean <= pause <= 1.2 * mean for pause in pauses)
        assert len(pauses) > 10
    assert sum(means) > 24 * 3600, "a mail server may be away for a day"


def test_what_a_killed_courier_had_taken_is_due_again_after_its_lease(db: None) -> None:
    tell("alice@acme.example")
    with system_scope(SystemRole.COURIER):
        assert len(courier._take()) == 1  # and then it is killed
    assert deliver() == 0
    make_due()
    assert deliver() == 1
    assert len(outgoing.outbox) == 1


def test_told_events_are_forgotten_after_their_time_and_untold_ones_are_not(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell("alice@acme.example")
    deliver()
    tell("bob@acme.example")
    with system_scope(SystemRole.COURIER):
        assert courier.forget_old() == 0
        monkeypatch.setattr(courier, "KEPT", timedelta(seconds=-1))
        assert courier.forget_old() == 1
    assert [event.data["to"] for event in events()] == [["bob@acme.example"]]


class MailServer:
    """A mail server over real TCP that refuses the addresses it is told to, with the code it is told."""

    def __init__(self, refused: dict[str, str]) -> None:
        self.refused = refused
        self.received: list[Message] = []
        self.port = 0

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        while line := (await reader.readline()).decode().strip():
            verb = line[:4].upper()
            if verb == "DATA":
                writer.write(b"354 go on\r\n")
                text = (await reader.readuntil(b"\r\n.\r\n")).decode()
                self.received.append(message_from_string(text))
                writer.write(b"250 taken\r\n")
            elif verb == "RCPT":
                address = line[line.index("<") + 1 : line.index(">")]
                writer.write(f"{self.refused.get(address, '250')} answer\r\n".encode())
            elif verb == "QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 yes\r\n")
        await writer.drain()
        writer.close()

    async def serve(self, up: threading.Event, stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        up.set()
        async with server:
            await stop.wait()


@pytest.fixture
def mail_server(settings: Any) -> Iterator[MailServer]:
    """Running, and named in the settings."""
    server, up = MailServer({}), threading.Event()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(server.serve(up, stop),))
    thread.start()
    assert up.wait(10)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    yield server
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


def test_mail_goes_out_over_smtp(db: None, mail_server: MailServer) -> None:
    tell("alice@acme.example")
    assert deliver() == 1
    (message,) = mail_server.received
    assert message["To"] == "alice@acme.example"
    assert message["Auto-Submitted"] == "auto-generated"
    assert "Welcome to Acme." in str(message.get_payload())


def test_a_lasting_refusal_of_one_address_neither_stops_the_others_nor_is_tried_again(
    db: None, mail_server: MailServer
) -> None:
    mail_server.refused = {"nobody@acme.example": "550"}
    tell("nobody@acme.example", "alice@acme.example")
    deliver()
    (event,) = events()
    assert event.mailed_at is not None
    assert "nobody@acme.example" in event.last_error
    assert [message["To"] for message in mail_server.received] == ["alice@acme.example"]


def test_a_passing_refusal_is_tried_again_for_that_address_alone(db: None, mail_server: MailServer) -> None:
    mail_server.refused = {"busy@acme.example": "451"}
    tell("busy@acme.example", "alice@acme.example")
    deliver()
    assert events()[0].mailed_at is None
    mail_server.refused = {}
    make_due()
    deliver()
    assert [message["To"] for message in mail_server.received] == ["alice@acme.example", "busy@acme.example"]
    assert events()[0].mailed_at is not None


def test_a_mail_server_that_is_away_loses_nothing(db: None, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 1, 1
    tell("alice@acme.example")
    deliver()
    (event,) = events()
    assert (event.mailed_at, event.gave_up_at, event.attempts) == (None, None, 1)
