"""``POST /v1/leaked-keys``: whoever presents a whole key ends it; nobody learns more."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.accounts.permissions import Role
from apps.api_keys import leaks, services, text
from apps.audit.models import AuditEvent
from apps.core.ids import public_id
from apps.core.tenancy import TenantKey
from tenants import services as tenants
from tenants.context import system_scope, tenant_scope
from tests.api_keys.conftest import Made, emitted, program

pytestmark = pytest.mark.django_db
MakeKey = Callable[..., Made]


def report(body: Any, **headers: str) -> Any:
    """As anybody sends it."""
    content = body if isinstance(body, (bytes, str)) else json.dumps(body)
    client = Client(headers={"host": "localhost", **headers})
    return client.post("/v1/leaked-keys", content, content_type="application/json")


def results(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [each["result"] for each in answer.json()["data"]]


def test_a_whole_key_is_revoked_at_once_audited_and_its_owners_are_told(
    make_key: MakeKey, acme: TenantKey, alice: User, person: Callable[..., User]
) -> None:
    person("ann@acme.example", acme, Role.ADMIN)
    row, key = make_key(acme, name="Till")
    found = {"source": "pastebin", "url": "https://paste.example/x"}
    assert results(report({"keys": [key], **found})) == ["revoked"]
    assert program(key).get("/v1/key").json()["code"] == "api_key_revoked"
    with tenant_scope(acme):
        (event,) = AuditEvent.objects.filter(action="api_key.leaked")
    assert (event.target_id, event.changes) == (
        public_id("key", row.id),
        {"name": "Till", "source": "pastebin"},
    )
    assert event.actor_type == "anonymous"
    (told,) = emitted("api_key.revoked")
    assert (told["to"], told["reason"], told["name"], told["url"]) == (
        [alice.email],
        "leaked",
        "Till",
        found["url"],
    )
    assert key not in json.dumps(told)


def test_the_person_of_a_personal_key_is_told_too(
    acme: TenantKey, alice: User, person: Callable[..., User]
) -> None:
    from tests.api_keys.test_limits import of_person

    ann = person("ann@acme.example", acme, Role.ADMIN)
    with tenant_scope(acme):
        _, key = services.create(name="Mine", personal=True, ceiling=of_person(ann, acme, Role.ADMIN))
    report({"keys": [key]})
    (told,) = emitted("api_key.revoked")
    assert told["to"] == [alice.email, ann.email]


def test_the_mail_names_the_key_and_what_to_do(acme: TenantKey, make_key: MakeKey, alice: User) -> None:
    from apps.events.mail import compose, find_letter
    from apps.events.models import Event

    row, key = make_key(acme, name="Bob's till")
    report({"keys": [key], "source": "a & b"})
    letter = find_letter(type="api_key.revoked")
    assert letter is not None
    with system_scope("courier"):
        (event,) = Event.objects.filter(type="api_key.revoked")
    (mail,) = compose(event, letter)
    assert mail.to == [alice.email]
    assert mail.subject == "The API key “Bob's till” was found in the open and is revoked"
    assert row.masked in mail.body
    assert "Reported by: a & b" in mail.body
    assert key not in mail.body


def test_each_entry_is_answered_and_no_more_is_told_than_ours_or_not(
    make_key: MakeKey, acme: TenantKey, globex: TenantKey
) -> None:
    (_, one), (two_row, two) = make_key(acme), make_key(globex, mode="test")
    with tenant_scope(globex):
        services.revoke(key_id=two_row.id)
    body = f"alm_rk_test_{two_row.public_id}_{'a' * text.SECRET_LENGTH}"
    guessed = body + text.checksum(body)
    sent = [one, two, one[:-1] + "x", text.generate().whole, guessed, "ghp_nothing", one]
    answer = report({"keys": sent})
    assert results(answer) == ["revoked", "revoked", *["not_ours"] * 4, "revoked"]
    assert not any(each in answer.content.decode() for each in sent)
    assert len(emitted("api_key.revoked")) == 2, "the second time nothing is told again"


def test_a_key_of_a_tenant_whose_doors_are_closed_ends_as_well(make_key: MakeKey, acme: TenantKey) -> None:
    row, key = make_key(acme)
    with system_scope("operator"):
        tenants.suspend(tenant_id=acme.id, reason="unpaid")
    assert results(report({"keys": [key]})) == ["revoked"]
    row.refresh_from_db()
    assert row.revoked_at is not None


def test_what_is_no_key_costs_no_look_up(db: None) -> None:
    key = text.generate().whole
    with CaptureQueriesContext(connection) as statements:
        report({"keys": [key[:-1] + ("x" if key[-1] != "x" else "y")] * 100})
    assert len(statements) == 0


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "leak_report_refused"),
        ({"keys": []}, 422, "leak_report_refused"),
        ([], 422, "leak_report_refused"),
        ({"keys": [1]}, 422, "leak_report_refused"),
        ({"keys": "alm_live"}, 422, "leak_report_refused"),
        (["alm_live"], 422, "leak_report_refused"),
        ("alm", 400, "invalid"),
        (b"\xff", 400, "invalid"),
        ({"keys": ["x"] * 101}, 413, "leak_report_too_large"),
        ({"keys": ["x" * 70_000]}, 413, "leak_report_too_large"),
    ],
)
def test_what_is_no_report_is_told_what_one_is(db: None, body: Any, status: int, code: str) -> None:
    answer = report(body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_there_is_nothing_but_reporting(db: None, method: str) -> None:
    assert getattr(Client(headers={"host": "localhost"}), method)("/v1/leaked-keys").status_code == 405


def test_a_report_in_the_address_is_refused(db: None) -> None:
    answer = Client(headers={"host": "localhost"}).post(f"/v1/leaked-keys?key={text.generate().whole}")
    assert answer.json()["code"] == "api_key_in_query"


def test_one_network_sends_so_many_reports_a_minute(db: None) -> None:
    for _ in range(leaks.REPORTS.count):
        assert report({"keys": ["x"]}).status_code == 200
    answer = report({"keys": ["x"]})
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(answer["Retry-After"]) <= 3


class TestGitHub:
    """Its array of findings, and its signature."""

    @pytest.fixture
    def github(self, settings: Any) -> Callable[[Any], Any]:
        """Sends reports as GitHub does, with a public key that is known here."""
        private = ec.generate_private_key(ec.SECP256R1())
        pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        settings.LEAK_REPORT_KEYS = {"k1": pem.decode()}

        def send(body: Any, sent: Any = None, **headers: str) -> Any:
            content = json.dumps(body)
            signature = base64.b64encode(private.sign(content.encode(), ec.ECDSA(SHA256()))).decode()
            given = {"Github-Public-Key-Identifier": "k1", "Github-Public-Key-Signature": signature}
            return report(json.dumps(sent) if sent else content, **{**given, **headers})

        return send

    def test_is_taken_unsigned_where_no_public_key_is_known(self, make_key: MakeKey, acme: TenantKey) -> None:
        row, key = make_key(acme)
        body = [
            {"token": key, "type": "almanac", "url": "https://github.com/x/y", "source": "content"},
            {"token": "other", "type": "t"},
        ]
        answer = report(body)
        assert [each["label"] for each in answer.json()] == ["true_positive", "false_positive"]
        assert answer.json()[0]["token_type"] == "almanac"
        assert key not in answer.content.decode()
        row.refresh_from_db()
        assert row.revoked_at is not None

    def test_signed_is_taken(self, github: Any, make_key: MakeKey, acme: TenantKey) -> None:
        _, key = make_key(acme)
        assert github([{"token": key}]).json()[0]["label"] == "true_positive"

    def test_another_body_another_key_or_no_signature_changes_nothing(
        self, github: Any, make_key: MakeKey, acme: TenantKey
    ) -> None:
        row, key = make_key(acme)
        body = [{"token": key}]
        refused = [
            github([{"token": "x"}], sent=body),
            github(body, **{"Github-Public-Key-Identifier": "k2"}),
            github(body, **{"Github-Public-Key-Signature": "AAAA"}),
            github(body, **{"Github-Public-Key-Signature": "not base64!"}),
            report(body),
            report({"keys": [key]}, **{"Github-Public-Key-Signature": "AAAA"}),
        ]
        assert {(each.status_code, each.json()["code"]) for each in refused} == {
            (403, "leak_report_unsigned")
        }
        row.refresh_from_db()
        assert row.revoked_at is None

    def test_everybody_elses_form_needs_no_signature(
        self, github: Any, make_key: MakeKey, acme: TenantKey
    ) -> None:
        _, key = make_key(acme)
        assert results(report({"keys": [key]})) == ["revoked"]
