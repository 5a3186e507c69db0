"""``manage.py audit``: what an operator and an auditor type."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from apps.audit import anchors
from tests import factories
from tests.audit.conftest import anchor, seal
from tests.audit.test_sealing import write

pytestmark = pytest.mark.usefixtures("empty_log")


def audit(*words: Any) -> str:
    """What it prints; raises ``CommandError`` where it ends with 1."""
    out = io.StringIO()
    call_command("audit", *map(str, words), stdout=out, no_color=True)
    return out.getvalue()


def alter(statement: str) -> None:
    """As the database's owner, with the triggers switched off."""
    with factories.append_only_lifted(), connections["owner"].cursor() as cursor:
        cursor.execute(statement)
        assert cursor.rowcount > 0


def test_a_log_as_written_verifies(folder: Path) -> None:
    write("acme", 4)
    seal()
    anchor(folder)
    told = audit("verify", "--anchors", folder)
    assert "4 events in 1 chains against 1 anchors" in told
    assert "no fault; anchored until 20" in told


def test_each_fault_is_a_line_that_names_the_row(folder: Path) -> None:
    acme = write("acme", 4)
    seal()
    anchor(folder)
    alter("UPDATE audit_auditevent SET target_id = 'forged' WHERE target_id = '2'")
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 fault"):
        call_command("audit", "verify", anchors=folder, stdout=out, no_color=True)
    line = out.getvalue().splitlines()[0]
    assert line.startswith(f"{acme} number 3 ")
    assert line.endswith("the event, its place or its seal was altered")


def test_programs_get_one_document(folder: Path) -> None:
    write("acme", 2)
    seal()
    anchor(folder)
    alter("DELETE FROM audit_seal WHERE number = 2")
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("audit", "verify", "--json", anchors=folder, stdout=out)
    document = json.loads(out.getvalue())
    assert {fault["kind"] for fault in document["faults"]} == {"cut", "seal_missing"}
    assert document["events"] == 1


def test_one_chain_can_be_asked_for_by_slug_by_id_and_the_instances_by_name(folder: Path) -> None:
    acme = write("acme", 2)
    write("globex", 3)
    seal()
    anchor(folder)
    alter(
        "UPDATE audit_auditevent SET outcome = 'x' WHERE tenant_id <> (SELECT min(tenant_id::text)::uuid FROM audit_auditevent)"
    )
    faulty = {}
    for name in ("acme", "globex", acme, "instance"):
        try:
            audit("verify", "--anchors", folder, "--tenant", name)
            faulty[name] = False
        except CommandError:
            faulty[name] = True
    assert faulty["acme"] == faulty[acme] != faulty["globex"]
    assert not faulty["instance"]
    with pytest.raises(CommandError, match="no tenant 'nobody'"):
        audit("verify", "--tenant", "nobody")


def test_an_auditor_needs_only_the_public_key(folder: Path, settings: Any) -> None:
    write("acme", 1)
    seal()
    anchor(folder)
    public = audit("public-key").strip()
    assert base64.b64decode(public) == anchors.public_key()
    settings.AUDIT_SIGNING_KEY = b""
    assert "no fault" in audit("verify", "--anchors", folder, "--public-key", public)
    with pytest.raises(CommandError, match="set ALMANAC_AUDIT_SIGNING_KEY"):
        audit("verify", "--anchors", folder)
    for wrong in ("abc", "AAAA", "%%%"):
        with pytest.raises(CommandError, match="32 bytes"):
            audit("verify", "--public-key", wrong)


def test_an_export_is_all_of_one_tenants_events_and_is_itself_noted() -> None:
    write("acme", 3)
    write("globex", 1)
    lines = [json.loads(line) for line in audit("export", "--tenant", "acme").splitlines()]
    assert [line["action"] for line in lines] == ["audit.exported", *["model.promoted"] * 3]
    assert lines[0]["actor"] == {"type": "operator", "id": "", "label": "manage.py audit"}
    assert audit("export", "--tenant", "acme", "--format", "csv").count("model.promoted") == 3
    with pytest.raises(CommandError, match="no tenant"):
        audit("export", "--tenant", "nobody")
