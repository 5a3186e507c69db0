"""Events are numbered and chained apart from their writers, and the chains are proved from outside."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import ProgrammingError, connections, transaction

from apps.audit import anchor_files, anchors, queries, sealing, services
from apps.audit.chain import INSTANCE
from apps.audit.models import AuditSeal
from apps.audit.verifying import Tally
from apps.core import request_context
from tenants.context import system_scope, tenant_scope
from tests import factories
from tests.audit.conftest import anchor, faults, seal
from tests.audit.test_audit import ALICE

pytestmark = pytest.mark.usefixtures("empty_log")


def write(slug: str, events: int) -> uuid.UUID:
    """So many events of a tenant's; its chain."""
    key = factories.tenant(slug).key
    with request_context.bind(ALICE), tenant_scope(key):
        for number in range(events):
            services.record(
                action="model.promoted", target_id=str(number), personal={"email": "x@acme.example"}
            )
    return key.id


def test_every_chain_is_numbered_from_one_without_gaps_in_the_order_of_writing() -> None:
    acme, globex = write("acme", 3), write("globex", 2)
    with system_scope("operator"):
        services.record(action="operator.created")
    assert seal() == 6
    acme = write("acme", 2)
    assert (seal(), seal()) == (2, 0)
    with system_scope("operator"):
        seals = AuditSeal.objects.select_related("event").order_by("chain", "number")
        found = [(each.chain, each.number, each.event.target_id) for each in seals]
    assert [row for row in found if row[0] == acme] == [
        (acme, 1, "0"),
        (acme, 2, "1"),
        (acme, 3, "2"),
        (acme, 4, "0"),
        (acme, 5, "1"),
    ]
    assert [row[1] for row in found if row[0] == globex] == [1, 2]
    assert [row[1] for row in found if row[0] == INSTANCE] == [1]


def test_the_tenant_sees_the_numbers_of_its_own_chain_only() -> None:
    write("acme", 1)
    write("globex", 1)
    seal()
    with tenant_scope(factories.tenant("acme").key):
        assert queries.list_events()[0].sealed_number == 1
        assert AuditSeal.objects.count() == 1
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            AuditSeal.objects.all().update(number=7)


def test_while_one_seals_another_leaves_it_alone() -> None:
    write("acme", 1)
    lock = f"SELECT pg_advisory_xact_lock({sealing._LOCK})"
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute(lock)
        assert seal() == 0
    assert seal() == 1


def test_what_nobody_altered_has_no_faults_and_erasing_is_none(folder: Path) -> None:
    acme = write("acme", 5)
    seal()
    anchor(folder)
    with connections["owner"].cursor() as cursor:
        cursor.execute("DELETE FROM audit_personal WHERE ctid IN (SELECT ctid FROM audit_personal LIMIT 2)")
    write("acme", 1)
    tally = Tally()
    assert faults(folder, tally=tally) == []
    assert (tally.events, tally.chains, tally.erased, tally.unsealed, tally.anchors) == (5, 1, 2, 1, 1)
    assert faults(folder, chain=acme) == []


class TestAnchors:
    """The heads outside the database."""

    def test_the_first_states_all_heads_and_later_ones_what_went_on(self, folder: Path) -> None:
        acme, globex = write("acme", 2), write("globex", 1)
        seal()
        assert anchor(folder) == 1
        write("acme", 1)
        seal()
        assert (anchor(folder), anchor(folder)) == (2, 3)
        first, second, third = (
            each for each in anchors.read(folder, anchors.public_key()) if not isinstance(each, str)
        )
        assert {chain: at for chain, (at, _hash) in first.heads.items()} == {acme: 2, globex: 1}
        assert {chain: at for chain, (at, _hash) in second.heads.items()} == {acme: 3}
        assert third.heads == {}

    def test_a_line_torn_by_a_power_cut_is_none_and_is_cut_off(self, folder: Path) -> None:
        write("acme", 1)
        seal()
        anchor(folder)
        path = next(folder.glob("*.ndjson"))
        with path.open("ab") as file:
            file.write(b'{"heads": {')
        assert faults(folder) == []
        assert anchor(folder) == 2
        assert faults(folder) == []

    @pytest.mark.parametrize(
        ("alter", "told"),
        [
            (lambda lines: [lines[0].replace(b'"number":1', b'"number":9'), *lines[1:]], "signature"),
            (lambda lines: [lines[0], lines[2]], "does not follow"),
            (lambda lines: lines[1:], "does not follow"),
            (lambda lines: [lines[1], lines[0], lines[2]], "does not follow"),
            (lambda lines: [lines[0], b"{}", lines[2]], "is not an anchor"),
            (lambda lines: [], "there is no anchor"),
        ],
    )
    def test_an_altered_anchor_is_found(
        self,
        folder: Path,
        alter: Callable[[list[bytes]], list[bytes]],
        told: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("apps.audit.verifying.ANCHORED_WITHIN", timedelta(0))
        write("acme", 1)
        seal()
        for _ in range(3):
            anchor(folder)
        path = next(folder.glob("*.ndjson"))
        lines = path.read_bytes().splitlines()
        path.write_bytes(b"".join(line + b"\n" for line in alter(lines)))
        assert told in " ".join(fault.text for fault in faults(folder))

    def test_an_anchor_signed_by_another_is_found(self, folder: Path, settings: Any) -> None:
        write("acme", 1)
        seal()
        settings.AUDIT_SIGNING_KEY = b"x" * 32
        anchor(folder)
        settings.AUDIT_SIGNING_KEY = bytes(32)
        assert "signature of anchor 1 is wrong" in faults(folder)[0].text

    def test_without_a_key_nothing_is_anchored(self, folder: Path, settings: Any) -> None:
        settings.AUDIT_SIGNING_KEY = b""
        with pytest.raises(anchors.NoSigningKey):
            anchor(folder)

    def test_they_go_on_over_the_files(self, folder: Path) -> None:
        anchor(folder)
        (folder / next(folder.glob("*.ndjson")).name).rename(folder / "anchors-2020-01.ndjson")
        anchor(folder)
        assert len(list(folder.glob("*.ndjson"))) == 2
        assert faults(folder) == []

    def test_a_last_line_longer_than_a_block_is_read_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "anchors-2020-01.ndjson"
        for text in (b"first", b"x" * 200_000):
            anchor_files.append_line(path, text)
            assert anchor_files.find_last_line(tmp_path) == (path.name, text)


def test_an_anchor_is_json_that_another_program_can_check(folder: Path) -> None:
    anchor(folder)
    line = json.loads(next(folder.glob("*.ndjson")).read_text())
    assert set(line) == {"heads", "key", "number", "previous", "signature", "time"}
