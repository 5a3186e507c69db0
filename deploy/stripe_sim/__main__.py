"""`python -m deploy.stripe_sim`: serve the simulator on 127.0.0.1 until a signal ends it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import uvicorn

from .app import build
from .store import Store
from .webhooks import Sender
from .world import SystemClock, World


def main(arguments: list[str] | None = None) -> int:
    """Serve; the answer is the exit code."""
    options = _parser().parse_args(arguments)
    signing = tuple(options.webhook_secret) or _secrets_of_environment()
    if options.webhook_url and not signing:
        print(
            "stripe_sim: --webhook-url needs --webhook-secret whsec_…, or nobody could trust the events.",
            file=sys.stderr,
        )
        return 2
    origin = options.public_url.rstrip("/") or f"http://127.0.0.1:{options.port}"
    world = World(Store(options.state), SystemClock(), origin, sends_webhooks=bool(options.webhook_url))
    sender = Sender(world, options.webhook_url, signing)
    print(f"Almanac's Stripe simulator on {origin}; no card is ever charged.", flush=True)
    application = build(world, sender)
    uvicorn.run(
        application, host="127.0.0.1", port=options.port, log_level="warning", access_log=False, ws="none"
    )
    return 0


def _secrets_of_environment() -> tuple[str, ...]:
    """STRIPE_WEBHOOK_SECRET, parted by commas: an argument could be read by every user of the machine."""
    return tuple(filter(None, os.environ.get("STRIPE_WEBHOOK_SECRET", "").split(",")))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.stripe_sim", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--state", type=Path, required=True, help="SQLite file that keeps the account")
    parser.add_argument("--webhook-url", default="", help="where events are sent; none are when it is absent")
    parser.add_argument(
        "--webhook-secret", action="append", default=[], help="whsec_…; twice while a secret is changed"
    )
    parser.add_argument(
        "--public-url", default="", help="origin of the hosted pages, http://127.0.0.1:PORT by default"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
