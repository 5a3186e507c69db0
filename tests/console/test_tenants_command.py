"""``manage.py tenants``: each step from the command line, with clear refusals and exit codes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import Membership
from tenants import migrating, provisioning, queries, schemas
from tenants.models import Tenant, TenantState
from tests.tenants.conftest import owner, spare

__all__ = ["spare"]


class Terminal(io.StringIO):
    """Standard input or output that a person looks at."""

    def isatty(self) -> bool:
        return True


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("tenants", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def state_of(slug: str) -> str:
    tenant = queries.find_by_slug(slug=slug)
    assert tenant is not None
    return str(tenant.state)


def test_a_tenant_is_made_with_a_password_from_standard_input(
    committed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("correct-horse-battery\n"))
    assert (
        run("create", "Initech Ltd", "--slug", "initech", "--email", "bill@initech.example")
        == "created initech\n"
    )
    tenant = queries.find_by_slug(slug="initech")
    assert tenant is not None
    assert Membership.objects.filter(tenant_id=tenant.id, role="owner").count() == 1
    run("delete", "initech", "--now", "--yes", "--reason", "a test")
    assert not schemas.schema_exists(tenant.schema_name)


def test_a_password_is_no_argument_and_not_a_weak_one(
    committed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("create", "Initech", "--slug", "initech", "--email", "bill@initech.example")
    with pytest.raises(CommandError, match="unrecognized arguments: --password"):
        run(*words, "--password", "correct-horse-battery")
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    with pytest.raises(CommandError):
        run(*words)
    assert queries.find_by_slug(slug="initech") is None


def test_the_list_has_columns_for_people_and_json_for_programs(committed: None) -> None:
    head, *rows = run("list").splitlines()
    assert head.split() == ["slug", "state", "plan", "schema", "version", "erase", "after"]
    assert [row.split()[:3] for row in rows] == [["acme", "active", "free"], ["globex", "active", "free"]]
    first = json.loads(run("list", "--json"))[0]
    assert (first["slug"], first["erase_after"]) == ("acme", None)


def test_a_deletion_is_asked_for_cancelled_and_refused_where_it_makes_no_sense(committed: None) -> None:
    assert "its data is erased after" in run("delete", "acme", "--yes", "--reason", "The contract ended")
    assert state_of("acme") == "deleting"
    with pytest.raises(CommandError, match="active or suspended"):
        run("delete", "acme", "--yes", "--reason", "again")
    with pytest.raises(CommandError, match="no tenant 'acme' is due"):
        run("erase", "acme")
    assert run("cancel-deletion", "acme", "--reason", "They stay") == "acme is active\n"
    with pytest.raises(CommandError, match="there is no tenant 'nobody'"):
        run("delete", "nobody", "--yes", "--reason", "x")
    with pytest.raises(CommandError, match="0 to 365 days"):
        run("delete", "acme", "--yes", "--reason", "x", "--grace-days", "400")


@pytest.mark.parametrize(
    ("stdin", "words", "refusal"),
    [
        (io.StringIO(""), (), "not on a terminal: say --yes"),
        (Terminal("acm\n"), (), "nothing was deleted"),
        (Terminal(""), ("--now",), "needs --yes"),
    ],
)
def test_nothing_is_deleted_by_accident(
    committed: None, monkeypatch: pytest.MonkeyPatch, stdin: io.StringIO, words: tuple[str, ...], refusal: str
) -> None:
    monkeypatch.setattr("sys.stdin", stdin)
    with pytest.raises(CommandError, match=refusal):
        run("delete", "acme", "--reason", "a slip", *words)
    assert state_of("acme") == "active"


def test_who_types_the_slug_means_it(committed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("acme\n"))
    run("delete", "acme", "--reason", "The contract ended")
    assert state_of("acme") == "deleting"
    run("cancel-deletion", "acme")


def test_an_operator_may_erase_at_once(spare: Callable[[str], Tenant]) -> None:
    tenant = spare("initech")
    said = run("delete", "initech", "--now", "--yes", "--reason", "The contract ended")
    assert "initech is erased; certificate" in said
    assert not schemas.schema_exists(tenant.schema_name)


def test_what_is_left_of_an_erasure_is_said_and_is_a_failure(
    spare: Callable[[str], Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    spare("initech")
    monkeypatch.setattr(schemas, "role_exists", lambda _schema: True)
    with pytest.raises(CommandError, match="tried again every 30 seconds"):
        run("delete", "initech", "--now", "--yes", "--reason", "The contract ended")
    monkeypatch.undo()
    assert "is erased" in run("erase")


def test_a_tenant_is_renamed_by_the_rules_of_sign_up(spare: Callable[[str], Tenant]) -> None:
    spare("initech")
    assert run("rename", "initech", "initech-works", "--name", "Initech Works") == "initech-works is active\n"
    for slug, refusal in (("admin", "admin"), ("x--y", "x--y"), ("acme", "belongs to another")):
        with pytest.raises(CommandError, match=refusal):
            run("rename", "initech-works", slug)


def test_a_suspended_tenant_is_brought_back(committed: None) -> None:
    assert run("suspend", "acme", "--reason", "The invoice is open") == "acme is suspended\n"
    assert run("reactivate", "acme") == "acme is active\n"


def test_migrate_says_what_it_did_and_fails_when_a_tenant_does(
    committed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provisioning, "refill", lambda **_wish: 0)
    assert run("migrate") == "0 shared migration(s), 0 tenant(s) brought up to date, 0 schema(s) made ready\n"
    failed = migrating.Outcome(behind=9, migrated=3, stopped=True)
    tenant = queries.find_by_slug(slug="acme")
    assert tenant is not None
    failed.failures.append(migrating.Failure(tenant, "OperationalError: lock timeout"))
    seen: dict[str, Any] = {}

    def migrate(**wishes: Any) -> migrating.Outcome:
        seen.update(wishes)
        wishes["report"](failed)
        return failed

    monkeypatch.setattr(migrating, "migrate_tenants", migrate)
    with pytest.raises(
        CommandError, match="1 tenant\\(s\\) failed and are as they were; stopped with 5 not tried"
    ):
        run("migrate", "--jobs", "4", "--max-failures", "2")
    assert (seen["jobs"], seen["max_failures"]) == (4, 2)
    with pytest.raises(CommandError, match="invalid _positive value"):
        run("migrate", "--jobs", "0")


def test_migrate_shows_a_bar_on_a_terminal(committed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provisioning, "refill", lambda **_wish: 0)
    owner("UPDATE tenants_tenant SET schema_version = '' WHERE state = %s", TenantState.ACTIVE)
    terminal = Terminal()

    def migrate(report: Callable[[migrating.Outcome], None], **_wishes: Any) -> migrating.Outcome:
        for number in range(1, 3):
            report(migrating.Outcome(behind=2, migrated=number))
        return migrating.Outcome(behind=2, migrated=2)

    monkeypatch.setattr(migrating, "migrate_tenants", migrate)
    call_command("tenants", "migrate", stdout=terminal)
    monkeypatch.undo()
    migrating.migrate_tenants()
    assert "\r\033[Kschemas [" in terminal.getvalue()
    assert "█] 2/2" in terminal.getvalue()


def test_check_is_silent_about_sound_tenants_and_fails_on_faults(committed: None) -> None:
    assert "owned, granted" in run("check")
    owner("UPDATE tenants_tenant SET schema_version = '9-x' WHERE slug = 'acme'")
    try:
        with pytest.raises(CommandError, match="1 fault"):
            run("check")
    finally:
        migrating.migrate_tenants()
