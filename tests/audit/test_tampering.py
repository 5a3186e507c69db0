"""Whatever the owner of the database does to the log is found, but for what is younger than the last anchor."""

from __future__ import annotations

import os
import random
import sys
import uuid
from collections import Counter
from pathlib import Path

import pytest
from django.db import connections, transaction

from apps.core import request_context
from tests import factories
from tests.audit import tampering
from tests.audit.conftest import anchor, faults, seal
from tests.audit.tampering import Log
from tests.audit.test_audit import ALICE
from tests.audit.test_sealing import write

DEEDS = 1000 if os.environ.get("ALMANAC_DRILL") else 150
SEED = 20


def build(folder: Path) -> Log:
    """Two chains, anchored in the middle and near the end, with events younger than the last anchor."""
    for events in (30, 20, 10):
        with request_context.bind(ALICE):
            write("acme", events)
            write("globex", events // 2)
        assert seal() == events + events // 2
        if events > 10:
            anchor(folder)
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT chain, array_agg(event_id ORDER BY number) FROM audit_seal GROUP BY chain")
        found: dict[uuid.UUID, list[uuid.UUID]] = dict(cursor.fetchall())
    return Log(found, {name: len(events) * 50 // 60 for name, events in found.items()})


@pytest.mark.usefixtures("empty_log")
def test_edits_deletions_reorderings_additions_and_cuts_are_found(folder: Path) -> None:
    log = build(folder)
    assert faults(folder, using="owner") == []
    dice = random.Random(SEED)
    told: Counter[str] = Counter()
    wrong = []
    with factories.append_only_lifted(), transaction.atomic(using="owner"):
        connections["owner"].cursor().execute(
            "ALTER TABLE audit_seal DROP CONSTRAINT audit_seal_counts_from_one"
        )
        for number in range(DEEDS):
            with transaction.atomic(using="owner"):
                deed = tampering.one(log, dice)
                found = faults(folder, using="owner")
                transaction.set_rollback(True, using="owner")
            told["found" if found else "not found"] += 1
            told["younger than the last anchor"] += not deed.is_seen
            if bool(found) != deed.is_seen:
                wrong.append((number, deed.name, found))
        transaction.set_rollback(True, using="owner")
    sys.stdout.write(f"\n{DEEDS} deeds: {dict(told)}\n")
    assert wrong == []
    assert told["not found"] == told["younger than the last anchor"] > 0
    assert faults(folder, using="owner") == []
