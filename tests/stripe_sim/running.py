"""A real simulator process, and a webhook receiver, for tests over HTTP."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import stripe

ROOT = Path(__file__).resolve().parents[2]
API_KEY = "sk_test_almanac_simulated"
SECRET = "whsec_simulated_secret_for_tests"


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Simulator:
    """A running simulator and an official client that talks to it."""

    origin: str
    process: subprocess.Popen[bytes]
    client: stripe.StripeClient = field(init=False)
    web: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = official_client(self.origin)
        self.web = httpx.Client(base_url=self.origin, trust_env=False, timeout=10)

    def subscribe(self, price: str, customer: str, **metadata: str) -> stripe.Subscription:
        """A subscription opened through Checkout, as a person would."""
        session = self.client.v1.checkout.sessions.create(
            {
                "mode": "subscription",
                "customer": customer,
                "line_items": [{"price": price, "quantity": 1}],
                "success_url": "http://acme.localhost:9/done?id={CHECKOUT_SESSION_ID}",
                "cancel_url": "http://acme.localhost:9/plan/",
                "subscription_data": {"metadata": metadata},
            }
        )
        paid = self.web.post(f"/c/pay/{session.id}", data={"card": "pm_card_visa"})
        assert paid.status_code == 303, paid.text
        done = self.client.v1.checkout.sessions.retrieve(session.id)
        return self.client.v1.subscriptions.retrieve(str(done.subscription))


def official_client(origin: str) -> stripe.StripeClient:
    """Stripe's own client, with its API base pointed at the simulator."""
    return stripe.StripeClient(API_KEY, base_addresses={"api": origin}, max_network_retries=0)


@contextmanager
def simulator(state: Path, *, webhook_url: str = "", port: int | None = None) -> Iterator[Simulator]:
    """Start the simulator as a process of its own, wait until it answers, and stop it at the end."""
    port = port or free_port()
    command = [sys.executable, "-m", "deploy.stripe_sim", "--port", str(port), "--state", str(state)]
    if webhook_url:
        command += ["--webhook-url", webhook_url, "--webhook-secret", SECRET]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    running = Simulator(f"http://127.0.0.1:{port}", process)
    try:
        _wait_until_alive(running)
        yield running
    finally:
        running.web.close()
        process.terminate()
        process.wait(timeout=20)


def _wait_until_alive(running: Simulator) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert running.process.poll() is None, "the simulator ended at its start"
        try:
            if running.web.get("/livez").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the simulator did not answer within 30 s")


@dataclass
class Receiver:
    """What came in by webhook; `answers` are the statuses to give first, 200 afterwards."""

    url: str
    answers: list[int] = field(default_factory=list)
    received: list[tuple[bytes, str]] = field(default_factory=list)

    def wait_for(self, count: int, seconds: float = 15) -> list[tuple[bytes, str]]:
        """The deliveries as soon as there are that many."""
        deadline = time.monotonic() + seconds
        while len(self.received) < count:
            assert time.monotonic() < deadline, f"{len(self.received)} of {count} deliveries came"
            time.sleep(0.02)
        return list(self.received)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """An HTTP server that records webhook deliveries."""
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    mailbox = Receiver(f"http://127.0.0.1:{server.server_port}/hook/")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            mailbox.received.append((body, self.headers["Stripe-Signature"]))
            self.send_response(mailbox.answers.pop(0) if mailbox.answers else 200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    server.RequestHandlerClass = Handler
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield mailbox
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
