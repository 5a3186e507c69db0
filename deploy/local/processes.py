"""The processes of the stack: command lines, when each is up, how each is ended."""

from __future__ import annotations

import asyncio
import http.client
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local import postgres, redis
from deploy.local.environment import Environments
from deploy.local.layout import REPOSITORY
from deploy.local.options import Options
from deploy.local.secrets import Secrets
from deploy.local.supervisor import Probe, Process

STOP_ORDER = (
    ("web", "beat"),
    ("worker-training", "worker-interactive"),
    ("clerk",),
    ("stripe-sim",),
    ("valkey", "postgres"),
)
BEAT_SETTLES_SECONDS = 2.0
CLERK_SETTLES_SECONDS = 1.0
QUEUES = {"worker-training": "training", "worker-interactive": "interactive,default"}


def all_queues() -> list[str]:
    """Every queue that a worker serves."""
    return [queue for queues in QUEUES.values() for queue in queues.split(",")]


def in_thread(check: Callable[[], bool]) -> Probe:
    """A probe that may block for a moment."""

    async def probe() -> bool:
        return await asyncio.to_thread(check)

    return probe


def database(cluster: postgres.Cluster, dsn: str, environment: dict[str, str]) -> Process:
    """The embedded PostgreSQL; up when it answers a query."""
    return Process(
        name="postgres",
        command=cluster.command(),
        environment=environment,
        ready=in_thread(lambda: postgres.answers(dsn)),
        ready_seconds=postgres.START_SECONDS,
        stop_signal=postgres.DEATH_SIGNAL,
        stop_seconds=60,
        death_signal=postgres.DEATH_SIGNAL,
        account=cluster.account,
    )


def broker(server: redis.Server, environment: dict[str, str]) -> Process:
    """The embedded Valkey; up when it answers PING."""
    return Process(
        name="valkey",
        command=server.command(),
        environment=environment,
        ready=in_thread(lambda: redis.answers(server)),
        stop_seconds=30,
        death_signal=redis.DEATH_SIGNAL,
    )


def web(options: Options, environments: Environments) -> Process:
    """granian with our own entry; up when /readyz says so."""
    words = ["--interface", "rsgi", "--host", options.host, "--port", str(options.port), "--workers", "1"]
    words += ["--http", "1", "--no-ws", "--runtime-mode", "st", "--backlog", "2048", "--backpressure", "1024"]
    words += [
        "--http1-header-read-timeout",
        "10000",
        "--workers-kill-timeout",
        "10",
        "--log-level",
        "warning",
    ]
    return Process(
        name="web",
        command=[_script("granian"), *words, "config.rsgi:app"],
        environment=dict(environments.web),
        ready=in_thread(lambda: http_status(options.url, "/readyz") == 200),
        folder=REPOSITORY,
    )


def worker(name: str, environment: dict[str, str], ready: Probe) -> Process:
    """A Celery worker with one child; `ready` says whether all workers have done a task: see `ping`."""
    words = ["-Q", QUEUES[name], "-c", "1", "-n", f"{name}@%h", "--without-gossip", "--without-mingle"]
    return Process(
        name=name,
        command=[
            sys.executable,
            "-m",
            "celery",
            "-A",
            "config.celery",
            "worker",
            *words,
            "--loglevel",
            "INFO",
        ],
        environment=environment,
        ready=ready,
        ready_seconds=150,
        folder=REPOSITORY,
        stop_seconds=10,
        death_signal=signal.SIGQUIT,  # ends a running child too; its job is leased again later
    )


def beat(environments: Environments) -> Process:
    """The clock of the periodic tasks. It keeps no file: the library's is a pickle."""
    words = ["--scheduler", "celery.beat:Scheduler", "--pidfile=", "--loglevel", "INFO"]
    return Process(
        name="beat",
        command=[sys.executable, "-m", "celery", "-A", "config.beat", "beat", *words],
        environment=dict(environments.beat),
        ready=settled(BEAT_SETTLES_SECONDS),
        folder=REPOSITORY,
    )


def clerk(environments: Environments) -> Process:
    """Seals the audit log and sends mail; told to stop, it does so once more."""
    return Process(
        name="clerk",
        command=[sys.executable, str(REPOSITORY / "manage.py"), "clerk"],
        environment=dict(environments.clerk),
        ready=settled(CLERK_SETTLES_SECONDS),
        folder=REPOSITORY,
        stop_seconds=15,
    )


def stripe_simulator(options: Options, url: str, secrets: Secrets, environment: dict[str, str]) -> Process:
    """The simulator of Stripe's HTTP API; up when it takes connections."""
    state = options.layout.var / "stripe" / "account.sqlite3"
    state.parent.mkdir(mode=0o700, exist_ok=True)
    words = ["--port", str(urlsplit(url).port), "--state", str(state)]
    words += ["--webhook-url", f"{options.url}/billing/stripe/webhook/"]
    return Process(
        name="stripe-sim",
        command=[
            sys.executable,
            "-m",
            "deploy.stripe_sim",
            *words,
        ],
        environment=environment | {"STRIPE_WEBHOOK_SECRET": secrets.stripe_webhook_secret},
        ready=in_thread(lambda: http_status(url, "/") is not None),
        folder=REPOSITORY,
    )


def settled(seconds: float) -> Probe:
    """For a process that answers nobody: it counts as up when it has not ended for a while."""
    asked: list[float] = []

    async def probe() -> bool:
        asked.append(time.monotonic())
        return asked[-1] - asked[0] >= seconds

    return probe


def http_status(url: str, path: str) -> int | None:
    """The status of a GET; None when nobody answers in time."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _script(name: str) -> str:
    return str(Path(sys.executable).with_name(name))
