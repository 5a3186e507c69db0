"""The clerk seals what was committed within two seconds, and anchors it when it is told to stop."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections

from apps.audit import services
from apps.audit.verifying import Tally
from tenants.context import tenant_scope
from tests import factories
from tests.audit.conftest import faults

EVENTS = 100


@pytest.mark.usefixtures("empty_log")
def test_what_is_committed_is_sealed_within_two_seconds_and_anchored_at_the_end(folder: Path) -> None:
    clerk = subprocess.Popen(
        [sys.executable, "manage.py", "clerk"],
        cwd=settings.BASE_DIR,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
            "ALMANAC_ANCHOR_DIR": str(folder),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        key = factories.tenant("acme").key
        with tenant_scope(key):
            services.record(action="model.promoted", target_id="the clerk starts")
        wait_for_seals(1, 60)
        for number in range(EVENTS):
            with tenant_scope(key):
                services.record(action="model.promoted", target_id=str(number))
            time.sleep(0.03)
        wait_for_seals(EVENTS + 1, 10)
        clerk.terminate()
        assert clerk.wait(30) == 0
    finally:
        clerk.kill()
        clerk.wait()
    tally = Tally()
    assert faults(folder, tally=tally) == []
    assert (tally.events, tally.anchors > 0) == (EVENTS + 1, True)
    delays = sorted(
        float(seconds)
        for (seconds,) in ask(
            "SELECT extract(epoch FROM sealed_at - occurred_at) FROM audit_seal JOIN audit_auditevent ON event_id = id"
            " WHERE target_id <> 'the clerk starts'"
        )
    )
    sys.stdout.write(
        f"\nsealed after {delays[len(delays) // 2]:.2f} s (median), {delays[-1]:.2f} s (longest)\n"
    )
    assert delays[-1] < 2


def wait_for_seals(number: int, seconds: float) -> None:
    """Until so many events are sealed."""
    deadline = time.monotonic() + seconds
    while ask("SELECT count(*) FROM audit_seal") != [(number,)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ask(query: str) -> list[tuple[object, ...]]:
    """As the owner."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())
