"""Many write while sealing runs and is killed: every event is sealed once, in chains without gaps."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
from django.conf import settings
from django.db import connections

from apps.audit import sealing, services
from tenants.context import system_scope, tenant_scope
from tests import factories
from tests.audit.conftest import faults, seal

THREADS, EVENTS, KILLS = 20, 60, 6
SEALER = """
import django
django.setup()
from apps.audit import sealing
from tenants.context import system_scope
sealing.BATCH = 7
print("ready", flush=True)
with system_scope("sealer"):
    while True:
        sealing.seal()
"""


def start() -> subprocess.Popen[bytes]:
    """A process that seals without a pause, in small batches, once it is at it."""
    process = subprocess.Popen(
        [sys.executable, "-c", SEALER],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def kill(sealer: subprocess.Popen[bytes]) -> None:
    """At once, whatever it is doing."""
    sealer.kill()
    sealer.wait()
    assert sealer.stdout is not None
    sealer.stdout.close()


def write(slug: str, number: int, problems: list[Exception]) -> None:
    """A thread's events; half in acme's chain, half in globex'."""
    try:
        key = factories.tenant(slug).key
        for each in range(EVENTS):
            with tenant_scope(key):
                services.record(action="model.promoted", target_id=f"{number}-{each}")
            time.sleep(0.005)
    except Exception as error:  # noqa: BLE001 - whatever it is, the test says it
        problems.append(error)
    finally:
        connections.close_all()


@pytest.mark.usefixtures("empty_log")
def test_a_sealer_that_is_killed_again_and_again_leaves_no_gap_and_no_double() -> None:
    problems: list[Exception] = []
    dice = random.Random(20)
    slugs = ("acme", "globex")
    threads = [
        threading.Thread(target=write, args=(slugs[number % 2], number, problems))
        for number in range(THREADS)
    ]
    sealer = start()
    for thread in threads:
        thread.start()
    for _ in range(KILLS):
        time.sleep(dice.uniform(0.02, 0.4))
        kill(sealer)
        sealer = start()
    for thread in threads:
        thread.join()
    kill(sealer)
    assert problems == []
    left = seal()
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT chain, number, event_id FROM audit_seal ORDER BY chain, number")
        seals = cursor.fetchall()
        cursor.execute("SELECT count(*) FROM audit_unsealed")
        assert cursor.fetchone() == (0,)
    assert left < len(seals) == len({event for _chain, _number, event in seals}) == THREADS * EVENTS
    for chain, length in Counter(chain for chain, _number, _event in seals).items():
        assert [number for each, number, _event in seals if each == chain] == list(range(1, length + 1))
    assert faults(None) == []


@pytest.mark.usefixtures("empty_log")
def test_a_batch_that_breaks_off_is_sealed_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    with tenant_scope(factories.tenant("acme").key):
        for _ in range(3):
            services.record(action="model.promoted")

    def break_off(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(sealing, "_forget", break_off)
        with pytest.raises(ZeroDivisionError), system_scope("sealer"):
            sealing.seal()
    assert seal() == 3
    assert faults(None) == []
