"""Delivery of events: signed, at least once, retried with growing pauses for three days."""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
import threading
import time
from dataclasses import dataclass, field

import httpx

from . import cycle
from .store import Delivery, Resource
from .world import World

_GIVE_UP_AFTER_SECONDS = 3 * 86_400
_LONGEST_PAUSE_SECONDS = 3_600.0
_TIMEOUT_SECONDS = 20.0
_POLL_SECONDS = 0.25
_CYCLE_SECONDS = 5.0


def signature_header(payload: bytes, secrets: tuple[str, ...], moment: int) -> str:
    """The `Stripe-Signature` header: time and one `v1` for each secret (two while one is being changed)."""
    signed = str(moment).encode() + b"." + payload
    marks = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={moment}", *(f"v1={mark}" for mark in marks)])


def pause_before(attempt: int) -> float:
    """Seconds to wait before the attempt: 1, 2, 4 … up to an hour."""
    return float(min(2.0 ** (attempt - 1), _LONGEST_PAUSE_SECONDS))


@dataclass
class Sender:
    """A thread that sends what the store owes to `url`, and lets the account's time go on."""

    world: World
    url: str
    secrets: tuple[str, ...]
    _stop: threading.Event = field(default_factory=threading.Event)
    _bell: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; what an earlier process still owed is sent first."""
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the delivery under way."""
        self._stop.set()
        self._bell.set()
        if self._thread is not None:
            self._thread.join(timeout=_TIMEOUT_SECONDS)

    def ring(self) -> None:
        """Something new may be owed."""
        self._bell.set()

    def _run(self) -> None:
        next_cycle = 0.0
        with httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False, follow_redirects=False) as client:
            while not self._stop.is_set():
                if time.monotonic() >= next_cycle:
                    cycle.advance(self.world)
                    next_cycle = time.monotonic() + _CYCLE_SECONDS
                self._send_due(client)
                self._bell.wait(_POLL_SECONDS)
                self._bell.clear()

    def _send_due(self, client: httpx.Client) -> None:
        for delivery in self.world.store.owed(time.time()):
            if self._stop.is_set():
                return
            event = self.world.store.find(delivery.event_id, "event")
            if event is None or not self.url:
                self.world.store.settle(delivery.event_id)
                continue
            outcome = self._send(client, event)
            self._record(delivery, event, outcome)

    def _send(self, client: httpx.Client, event: Resource) -> str:
        """Post the event; the answer is '' when it was taken, the reason otherwise."""
        payload = json.dumps(event, indent=2).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature_header(payload, self.secrets, int(time.time())),
            "User-Agent": "Stripe/1.0 (Almanac's simulator)",
        }
        try:
            answer = client.post(self.url, content=payload, headers=headers)
        except httpx.HTTPError as problem:
            return f"{type(problem).__name__}: {problem}"
        return "" if answer.is_success else f"HTTP {answer.status_code}"

    def _record(self, delivery: Delivery, event: Resource, problem: str) -> None:
        given_up = time.time() - delivery.created > _GIVE_UP_AFTER_SECONDS
        with self.world.store.transaction():
            if not problem:
                self.world.store.put({**event, "pending_webhooks": 0})
            if not problem or given_up:
                self.world.store.settle(delivery.event_id)
            else:
                attempt = delivery.attempt + 1
                due = time.time() + pause_before(attempt)
                self.world.store.owe(Delivery(event["id"], attempt, due, delivery.created))
        if problem:
            outlook = "given up" if given_up else "will be tried again"
            print(f"webhook {event['type']} {event['id']}: {problem}; {outlook}", file=sys.stderr, flush=True)
