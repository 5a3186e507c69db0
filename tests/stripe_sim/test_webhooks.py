"""Events leave signed, at least once, and survive a restart of the simulator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import stripe

from deploy.stripe_sim.webhooks import pause_before, signature_header
from tests.stripe_sim.running import SECRET, free_port, receiver, simulator


def test_an_event_arrives_signed_as_the_sdk_verifies_it(tmp_path: Path) -> None:
    with receiver() as mailbox, simulator(tmp_path / "s.sqlite3", webhook_url=mailbox.url) as sim:
        customer = sim.client.v1.customers.create({"name": "Acme"})
        payload, signature = mailbox.wait_for(1)[0]
        event = sim.client.construct_event(payload, signature, SECRET)
        assert (event.type, event.data.object["id"]) == ("customer.created", customer.id)
        assert event.api_version == "2026-10-28.endive"
        with pytest.raises(stripe.SignatureVerificationError):
            sim.client.construct_event(payload + b" ", signature, SECRET)


def test_a_refused_event_comes_again_until_it_is_taken(tmp_path: Path) -> None:
    with receiver() as mailbox, simulator(tmp_path / "s.sqlite3", webhook_url=mailbox.url) as sim:
        mailbox.answers = [500, 302]
        sim.client.v1.customers.create({"name": "Acme"})
        deliveries = mailbox.wait_for(3)
        assert len({payload for payload, _ in deliveries}) == 1
        assert len({json.loads(payload)["id"] for payload, _ in deliveries}) == 1


def test_paying_tells_the_whole_story_in_order(tmp_path: Path) -> None:
    with receiver() as mailbox, simulator(tmp_path / "s.sqlite3", webhook_url=mailbox.url) as sim:
        v1 = sim.client.v1
        price = v1.prices.create(
            {
                "currency": "usd",
                "unit_amount": 100,
                "recurring": {"interval": "month"},
                "product_data": {"name": "Team"},
            }
        )
        sim.subscribe(price.id, v1.customers.create({}).id)
        types = [json.loads(payload)["type"] for payload, _ in mailbox.wait_for(11)]
        assert types == [
            "product.created",
            "price.created",
            "customer.created",
            "customer.updated",
            "customer.subscription.created",
            "invoice.created",
            "invoice.finalized",
            "invoice.paid",
            "invoice.payment_succeeded",
            "customer.subscription.updated",
            "checkout.session.completed",
        ]


def test_what_was_done_and_what_is_owed_survive_a_kill(tmp_path: Path) -> None:
    state, port = tmp_path / "s.sqlite3", free_port()
    with receiver() as mailbox:
        with simulator(state, webhook_url=mailbox.url, port=port) as sim:
            mailbox.answers = [503]
            customer = sim.client.v1.customers.create({"name": "Acme"})
            mailbox.wait_for(1)
            sim.process.kill()
            sim.process.wait()
        with simulator(state, webhook_url=mailbox.url, port=port) as sim:
            assert sim.client.v1.customers.retrieve(customer.id).name == "Acme"
            first, again = (payload for payload, _ in mailbox.wait_for(2)[:2])
            assert json.loads(first)["id"] == json.loads(again)["id"]


def test_two_secrets_give_two_signatures_while_one_is_being_changed() -> None:
    header = signature_header(b"{}", ("whsec_old", "whsec_new"), 1_790_000_000)
    for secret in ("whsec_old", "whsec_new"):
        assert stripe.WebhookSignature.verify_header("{}", header, secret, tolerance=None)


def test_pauses_between_attempts_grow_to_an_hour() -> None:
    assert [pause_before(attempt) for attempt in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert pause_before(40) == 3_600


def test_the_simulator_refuses_to_send_events_that_nobody_could_verify(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from deploy.stripe_sim.__main__ import main

    arguments = ["--port", "1", "--state", str(tmp_path / "s"), "--webhook-url", "http://127.0.0.1:9/"]
    assert main(arguments) == 2
    assert "--webhook-secret" in capsys.readouterr().err
