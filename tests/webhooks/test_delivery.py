"""From what happened to the receiver: each event once, signed, tried again, and never in another's way."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.audit.models import AuditEvent
from apps.core import egress
from apps.core.scope import SystemRole
from apps.events import courier, published
from apps.events.models import Event
from apps.webhooks import fanning_out, sending, services
from apps.webhooks.models import Delivery, Endpoint
from tenants.context import system_scope, tenant_scope
from tests import factories
from tests.tenants.conftest import owner
from tests.webhooks.conftest import (
    DATA,
    attempts,
    deliveries,
    fan_out,
    happen,
    let_time_pass,
    row,
    send,
)
from tests.webhooks.receiving import Receiver, receiver

Made = tuple[Endpoint, str]


def test_an_event_is_sent_once_signed_and_with_nothing_but_what_is_published(
    hook: Receiver, endpoint: Made
) -> None:
    happen()
    assert (fan_out(), send(), send()) == (1, 1, 0)
    (call,) = hook.calls
    body = json.loads(call.body)
    assert body["type"] == "job.succeeded"
    assert body["data"] == {name: value for name, value in DATA.items() if name != "secret"}
    assert body["timestamp"].endswith("Z")
    assert call.is_signed_with(endpoint[1])
    assert call.headers["webhook-id"].startswith("evt_")
    assert call.headers["content-type"] == "application/json"
    (delivery,) = deliveries()
    assert (delivery.state, delivery.attempts) == ("delivered", 1)
    assert [(each.status, each.answer, each.error) for each in attempts()] == [(200, "ok", "")]
    assert row(endpoint[0]).last_success_at is not None


def test_what_is_not_published_or_not_wanted_or_anothers_is_not_sent(hook: Receiver, endpoint: Made) -> None:
    happen(type="invitation.created", data={"to": ["bob@acme.example"]})
    happen(type="job.failed")
    happen("globex")
    assert (fan_out(), send(), hook.calls) == (3, 0, [])
    assert fan_out() == 0, "they are dealt with"


def test_a_webhook_without_types_hears_of_all_that_is_published(hook: Receiver) -> None:
    with tenant_scope(factories.tenant("acme").key):
        services.create(url=hook.url)
    for each in published.list_types():
        happen(type=each.type, data=dict(each.example))
        fan_out()
        send()
    assert [json.loads(call.body)["type"] for call in hook.calls] == [
        each.type for each in published.list_types()
    ]
    assert max(len(call.body) for call in hook.calls) < 20_000


def test_who_is_killed_before_the_commit_doubles_nothing(
    hook: Receiver, endpoint: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    happen()
    with monkeypatch.context() as patch:
        patch.setattr(fanning_out.outgoing, "tick_off", lambda _events: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fan_out()
    assert deliveries() == []
    fan_out()
    assert len(deliveries()) == 1


def test_who_is_killed_while_sending_leaves_it_to_the_next_after_a_minute(
    hook: Receiver, endpoint: Made
) -> None:
    happen()
    fan_out()
    with system_scope(SystemRole.DISPATCHER):
        assert sending._lease(deliveries()[0].id) is not None
    assert send() == 0, "it is leased"
    assert deliveries()[0].next_attempt_at - timezone.now() <= timedelta(seconds=60)
    let_time_pass()
    assert send() == 1
    assert [call.headers["webhook-id"] for call in hook.calls] == [deliveries()[0].message_id]


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 500])
def test_anything_but_2xx_is_tried_again_later_and_no_redirect_is_followed(
    hook: Receiver, endpoint: Made, status: int
) -> None:
    hook.answers = [(status, {"Location": hook.url}, b"no"), (204, {}, b"")]
    happen()
    fan_out()
    send()
    waiting = deliveries()[0]
    assert (len(hook.calls), waiting.state, attempts()[0].status) == (1, "pending", status)
    assert timedelta(seconds=3) < waiting.next_attempt_at - timezone.now() < timedelta(seconds=6)
    let_time_pass()
    send()
    assert deliveries()[0].state == "delivered"
    first, second = hook.calls
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_a_receiver_that_is_not_there_is_tried_again_and_the_log_says_why(
    hook: Receiver, settings: Any
) -> None:
    with tenant_scope(factories.tenant("acme").key):
        services.create(url="http://127.0.0.1:1/hook")
    happen()
    fan_out()
    send()
    assert (deliveries()[0].state, attempts()[0].status) == ("pending", None)
    assert "connection failed" in attempts()[0].error


def test_who_asks_for_time_gets_it(hook: Receiver, endpoint: Made) -> None:
    hook.answers = [(429, {"Retry-After": "1000"}, b"")]
    happen()
    fan_out()
    send()
    wait = deliveries()[0].next_attempt_at - timezone.now()
    assert timedelta(seconds=990) < wait <= timedelta(seconds=1000)


@pytest.mark.parametrize(
    ("said", "seconds"), [("7", 7), ("99999999", 86_400), ("-5", 0), ("soon", 0), ("", 0), ("9" * 400, 0)]
)
def test_what_is_asked_for_is_taken_within_reason(said: str, seconds: int) -> None:
    answer = egress.Answered(503, {"retry-after": said}, b"")
    wait = sending.pause(1, answer, timezone.now()).total_seconds()
    assert wait == pytest.approx(max(seconds, 5), abs=1)


def test_the_pauses_grow_to_a_day_and_are_spread() -> None:
    now = timezone.now()
    found = [sending.pause(number, None, now).total_seconds() for number in range(1, 10)]
    assert found == sorted(found)
    assert 75_000 < found[-1] < 96_000
    assert len({sending.pause(3, None, now) for _ in range(5)}) > 1


def test_after_the_last_attempt_the_webhook_is_off_and_its_owners_are_told(
    hook: Receiver, endpoint: Made, mailoutbox: list[Any]
) -> None:
    hook.answers = [(500, {}, b"")]
    happen()
    fan_out()
    let_time_pass(attempts=9)
    send()
    off = row(endpoint[0])
    assert (deliveries()[0].state, off.disabled_at is not None) == ("failed", True)
    assert "none of 10 attempts" in off.disabled_reason
    with system_scope("operator"):
        assert AuditEvent.objects.filter(action="webhook.disabled", target_id=off.public_id).count() == 1
        told = Event.objects.get(type="webhook.disabled")
    assert told.data["url"] == hook.url
    with system_scope(SystemRole.COURIER):
        courier.deliver()
    assert hook.url in mailoutbox[0].body if told.data["to"] else not mailoutbox


def test_one_event_that_cannot_be_digested_does_not_switch_a_working_webhook_off(
    hook: Receiver, endpoint: Made
) -> None:
    hook.answers = [(500, {}, b"")]
    happen()
    fan_out()
    let_time_pass(attempts=9)
    with system_scope(SystemRole.DISPATCHER):
        Endpoint.objects.update(last_success_at=timezone.now())
    send()
    assert (deliveries()[0].state, row(endpoint[0]).disabled_at) == ("failed", None)


def test_gone_switches_it_off_at_once(hook: Receiver, endpoint: Made) -> None:
    hook.answers = [(410, {}, b"")]
    happen()
    fan_out()
    send()
    assert (deliveries()[0].state, row(endpoint[0]).disabled_reason) == ("failed", "It answered 410: gone.")


def test_what_happens_while_it_is_off_waits(hook: Receiver, endpoint: Made) -> None:
    with tenant_scope(factories.tenant("acme").key):
        services.disable(endpoint_id=endpoint[0].id)
    happen()
    fan_out()
    assert (send(), hook.calls) == (0, [])
    with tenant_scope(factories.tenant("acme").key):
        services.enable(endpoint_id=endpoint[0].id)
    assert send() == 1


def test_after_a_rotation_both_secrets_sign_for_a_day(hook: Receiver, endpoint: Made) -> None:
    with tenant_scope(factories.tenant("acme").key):
        _row, new = services.rotate(endpoint_id=endpoint[0].id)
    happen()
    fan_out()
    send()
    (call,) = hook.calls
    assert call.is_signed_with(endpoint[1])
    assert call.is_signed_with(new)
    with tenant_scope(factories.tenant("acme").key):
        Endpoint.objects.update(old_secret_until=timezone.now())
    happen()
    fan_out()
    send()
    assert not hook.calls[1].is_signed_with(endpoint[1])
    assert hook.calls[1].is_signed_with(new)


def test_a_replay_has_the_same_id_and_the_secret_of_now(hook: Receiver, endpoint: Made) -> None:
    happen()
    fan_out()
    send()
    with tenant_scope(factories.tenant("acme").key):
        _row, new = services.rotate(endpoint_id=endpoint[0].id)
        services.replay(delivery_id=deliveries()[0].id)
    send()
    first, second = hook.calls
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert second.is_signed_with(new)
    assert len(attempts()) == 2


def test_a_slow_receiver_holds_up_neither_others_nor_the_clerk(hook: Receiver, endpoint: Made) -> None:
    hook.seconds = 3
    with receiver() as quick:
        with tenant_scope(factories.tenant("globex").key):
            services.create(url=quick.url)
        for slug in ("acme", "acme", "globex"):
            happen(slug)
        fan_out()
        began = time.monotonic()
        with system_scope(SystemRole.DISPATCHER):
            assert sending.send_due() == 2, "one at a time to an endpoint"
            assert time.monotonic() - began < 1, "nobody waits for them"
            while not quick.calls:
                assert time.monotonic() - began < 2.5
                time.sleep(0.01)
            assert sending.send_due() == 0, "the slow one is busy"
        sending.wait_until_idle()
        assert len(hook.calls) == 1


def test_a_receiver_that_drips_is_cut_off(
    hook: Receiver, endpoint: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "SECONDS", 0.7)
    monkeypatch.setattr(sending, "ANSWER_BYTES", 100_000)
    hook.drips = True
    happen()
    fan_out()
    began = time.monotonic()
    send()
    assert time.monotonic() - began < 3
    assert (attempts()[0].status, deliveries()[0].state) == (200, "delivered")


def test_a_receiver_that_never_answers_is_cut_off(
    hook: Receiver, endpoint: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "SECONDS", 0.5)
    hook.seconds = 4
    happen()
    fan_out()
    send()
    assert (attempts()[0].status, deliveries()[0].state) == (None, "pending")
    assert "in time" in attempts()[0].error


def test_a_long_answer_is_kept_by_its_beginning(hook: Receiver, endpoint: Made) -> None:
    hook.answers = [(200, {}, b"\0" + b"x" * 1_000_000)]
    happen()
    fan_out()
    send()
    assert len(attempts()[0].answer) == 2048
    assert "\0" not in attempts()[0].answer


def test_an_address_whose_name_leads_inside_by_now_is_not_called(
    hook: Receiver, endpoint: Made, settings: Any
) -> None:
    """The name was checked when the webhook was made; each call checks the very address that it goes to."""
    settings.EGRESS_ALLOW = []
    happen()
    fan_out()
    send()
    assert hook.calls == []
    assert "only https is called" in attempts()[0].error


def test_old_deliveries_are_forgotten(hook: Receiver, endpoint: Made) -> None:
    happen()
    fan_out()
    owner("UPDATE webhooks_delivery SET created_at = now() - interval '31 days'")
    happen()
    fan_out()
    with system_scope(SystemRole.COURIER):
        assert fanning_out.forget_old() == 1
    assert len(deliveries()) == 1


def test_another_tenant_sees_neither_webhooks_nor_deliveries(hook: Receiver, endpoint: Made) -> None:
    happen()
    fan_out()
    with tenant_scope(factories.tenant("globex").key):
        assert not Endpoint.objects.exists()
        assert not Delivery.objects.exists()
