"""Invitations: sent, sent again, revoked, accepted once by whom they are for, and kindly refused otherwise."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core import signing
from django.db import connections
from django.template.loader import render_to_string
from django.utils import timezone

from apps.accounts import errors
from apps.accounts.models import Invitation, Membership, User
from apps.accounts.permissions import Role
from apps.accounts.services import Authority, invitations
from apps.audit.models import AuditEvent
from apps.core.errors import NotFound
from apps.core.tenancy import TenantKey
from apps.events.models import Event
from tenants import services as tenants
from tenants.context import system_scope, tenant_scope
from tests import factories
from tests.accounts.browser import BARE, Browser
from tests.accounts.conftest import PASSWORD

ACME = "http://acme.localhost"
BOB = "bob@acme.example"
NEW = {"name": "Bob", "password": "a-long-sentence-42"}


def invite(key: TenantKey, by: User, email: str = BOB, role: str = "analyst", **more: Any) -> Invitation:
    with tenant_scope(key):
        (invitation,) = invitations.invite(emails=[email], role=role, by=Authority(user_id=by.id), **more)
    return invitation


def token(invitation: Invitation) -> str:
    return invitations.token_of(invitation_id=invitation.id, number=invitation.number)


def link(invitation: Invitation) -> str:
    return f"{BARE}/invitations/{token(invitation)}/"


def expire(invitation: Invitation) -> None:
    """Its time is over: the row says so."""
    with tenant_scope(factories.tenant("acme").key):
        Invitation.objects.filter(id=invitation.id).update(expires_at=timezone.now() - timedelta(seconds=1))


def events() -> list[Event]:
    with system_scope("courier"):
        return list(Event.objects.filter(type__startswith="invitation.").order_by("id"))


@pytest.mark.django_db
class TestInviting:
    """Who can be invited, and what is told."""

    def test_each_address_gets_a_mail_and_a_row_in_the_log(self, alice: User, acme: TenantKey) -> None:
        with tenant_scope(acme):
            rows = invitations.invite(
                emails=["Bob@Acme.example", "carol@acme.example"],
                role="viewer",
                message="Welcome!",
                by=Authority(user_id=alice.id),
            )
            logged = AuditEvent.objects.filter(action="invitation.created")
            assert {event.target_id for event in logged} == {str(row.id) for row in rows}
            assert not any("@" in str(event.changes) for event in logged)
        assert [row.email for row in rows] == [BOB, "carol@acme.example"]
        assert [event.data["to"] for event in events()] == [[BOB], ["carol@acme.example"]]

    def test_neither_row_nor_event_holds_what_opens_the_link(self, alice: User, acme: TenantKey) -> None:
        invitation = invite(acme, alice)
        whole = token(invitation)
        secret = whole.rpartition(".")[2]
        with tenant_scope(acme):
            row = Invitation.objects.filter(id=invitation.id).values().get()
        assert secret not in f"{row} {[event.data for event in events()]}"

    def test_the_mail_says_who_invites_to_what_until_when_and_holds_the_link(
        self, alice: User, acme: TenantKey
    ) -> None:
        invitation = invite(acme, alice, message="We <3 forecasts & you.")
        (event,) = events()
        text = render_to_string("mail/accounts/invitation.txt", event.data)
        assert render_to_string("mail/accounts/invitation.subject.txt", event.data).strip() == (
            "You are invited to Acme on Almanac"
        )
        for words in (alice.email, "Acme", "as analyst", "We <3 forecasts & you.", event.data["expires_at"]):
            assert words in text
        assert f"{django_settings.PUBLIC_URL}/invitations/{token(invitation)}/" in text

    @pytest.mark.parametrize(
        ("emails", "refusal", "words"),
        [
            (["bob"], errors.InviteesRefused, "'bob' is not an e-mail address"),
            ([], errors.InviteesRefused, "Please give an e-mail address"),
            (["alice@acme.example"], errors.AlreadyMember, "is a member already, as owner"),
            (["bob", "alice@acme.example"], errors.InviteesRefused, "Nobody was invited yet"),
            ([f"p{n}@acme.example" for n in range(51)], errors.TooManyInvitees, "At most 50"),
            (["bøb@acme.example"], errors.InviteesRefused, "is not an e-mail address"),
        ],
    )
    def test_what_cannot_be_invited_is_refused_and_nobody_is_invited(
        self, alice: User, acme: TenantKey, emails: list[str], refusal: type[Exception], words: str
    ) -> None:
        with tenant_scope(acme):
            with pytest.raises(refusal, match=words):
                invitations.invite(
                    emails=[*emails, *(["good@acme.example"] if emails else [])],
                    role="viewer",
                    by=Authority(user_id=alice.id),
                )
            assert not Invitation.objects.exists()

    @pytest.mark.parametrize("days", [0, 31, -1])
    def test_an_expiry_outside_of_thirty_days_is_refused(
        self, alice: User, acme: TenantKey, days: int
    ) -> None:
        with pytest.raises(errors.ExpiryOutOfRange, match="1 to 30 days"):
            invite(acme, alice, days=days)

    def test_an_address_has_one_open_invitation_and_a_new_one_once_it_expired(
        self, alice: User, acme: TenantKey
    ) -> None:
        first = invite(acme, alice)
        with pytest.raises(errors.AlreadyInvited, match="Send it again, or revoke it"):
            invite(acme, alice, role="viewer")
        expire(first)
        second = invite(acme, alice, role="viewer")
        with tenant_scope(acme):
            assert Invitation.objects.get(id=second.id).state == "pending"

    def test_two_tenants_may_invite_the_same_person(
        self, alice: User, mallory: User, acme: TenantKey, globex: TenantKey
    ) -> None:
        assert invite(acme, alice).email == invite(globex, mallory).email

    def test_a_tenant_sends_no_more_than_its_share_a_day(
        self, alice: User, acme: TenantKey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(invitations, "SENT", invitations.throttle.Limit("invitations-sent", 2, 86_400))
        invite(acme, alice, "one@acme.example")
        invite(acme, alice, "two@acme.example")
        with pytest.raises(errors.TooManyAttempts):
            invite(acme, alice, "three@acme.example")

    @pytest.mark.parametrize(
        ("typed", "addresses"),
        [
            ("a@x.de, b@x.de;c@x.de\n d@x.de", ["a@x.de", "b@x.de", "c@x.de", "d@x.de"]),
            ("<a@x.de>,,A@x.de", ["a@x.de"]),
            ("  ", []),
        ],
    )
    def test_addresses_may_be_typed_in_many_ways(self, typed: str, addresses: list[str]) -> None:
        assert invitations.split_addresses(typed) == addresses


@pytest.mark.django_db
class TestSendingAgainAndRevoking:
    """What ends a link."""

    def test_sending_again_ends_the_earlier_link_and_starts_the_time_anew(
        self, alice: User, acme: TenantKey
    ) -> None:
        invitation = invite(acme, alice, days=1)
        earlier = token(invitation)
        expire(invitation)
        with tenant_scope(acme):
            again = invitations.resend(invitation_id=invitation.id, by=Authority(user_id=alice.id))
        assert again.expires_at > timezone.now() + timedelta(days=6)
        with pytest.raises(errors.InvitationReplaced):
            invitations.open_offer(token=earlier)
        assert invitations.open_offer(token=token(again)).invitation.email == BOB
        assert [event.type for event in events()] == ["invitation.created", "invitation.resent"]

    def test_three_times_in_an_hour(self, alice: User, acme: TenantKey) -> None:
        invitation = invite(acme, alice)
        with tenant_scope(acme):
            for _ in range(3):
                invitations.resend(invitation_id=invitation.id, by=Authority(user_id=alice.id))
            with pytest.raises(errors.TooManyAttempts, match="mails for this invitation"):
                invitations.resend(invitation_id=invitation.id, by=Authority(user_id=alice.id))

    def test_a_revoked_one_is_neither_accepted_nor_sent_again(self, alice: User, acme: TenantKey) -> None:
        invitation = invite(acme, alice)
        by = Authority(user_id=alice.id)
        with tenant_scope(acme):
            invitations.revoke(invitation_id=invitation.id, by=by)
            with pytest.raises(errors.InvitationNotOpen, match="is revoked"):
                invitations.resend(invitation_id=invitation.id, by=by)
        with pytest.raises(errors.InvitationRevoked):
            invitations.open_offer(token=token(invitation))

    def test_an_owners_invitation_is_not_an_admins_to_send_or_revoke(
        self, alice: User, person: Callable[..., User], acme: TenantKey
    ) -> None:
        invitation = invite(acme, alice, role="owner")
        carol = Authority(user_id=person("carol@acme.example", acme, Role.ADMIN).id)
        with tenant_scope(acme):
            for act in (invitations.resend, invitations.revoke):
                with pytest.raises(errors.RoleNotYours):
                    act(invitation_id=invitation.id, by=carol)

    def test_another_tenants_invitation_is_as_one_that_does_not_exist(
        self, alice: User, mallory: User, acme: TenantKey, globex: TenantKey
    ) -> None:
        invitation = invite(acme, alice)
        with tenant_scope(globex), pytest.raises(NotFound):
            invitations.revoke(invitation_id=invitation.id, by=Authority(user_id=mallory.id))


@pytest.mark.django_db
class TestAccepting:
    """The link on the bare host."""

    def test_a_new_person_chooses_a_password_and_stands_in_the_company(
        self, browser: Browser, alice: User, acme: TenantKey, settings: Any
    ) -> None:
        settings.SIGNUP = "closed"
        invitation = invite(acme, alice, message="Come in")
        page = browser.visit(link(invitation)).content.decode()
        assert all(words in page for words in ("Acme", alice.email, "as analyst", BOB, "Come in"))
        browser.submit(link(invitation), NEW)
        assert browser.trail[-1] == f"{ACME}/"
        bob = User.objects.get(email=BOB)
        assert (bob.name, Membership.objects.get(user=bob).role) == ("Bob", "analyst")
        with tenant_scope(acme):
            event = AuditEvent.objects.get(action="invitation.accepted")
            assert (event.actor_id, event.changes) == (str(bob.id), {"role": "analyst"})

    def test_somebody_with_an_account_logs_in_comes_back_and_accepts(
        self, browser: Browser, alice: User, person: Callable[..., User], acme: TenantKey, globex: TenantKey
    ) -> None:
        bob = person(BOB, globex, Role.VIEWER)
        url = link(invite(acme, alice))
        page = browser.visit(url).content.decode()
        assert "You have an account with this address" in page
        path = re.search(r'/login/\?next=([^"]+)', page)
        assert path is not None
        going_to = browser.visit(f"{BARE}/login/?next={path[1]}").context["form"].initial["next"]
        browser.submit(f"{BARE}/login/", {"email": BOB, "password": PASSWORD, "next": going_to})
        assert browser.trail[-1] == url
        browser.submit(url, {})
        assert browser.trail[-1] == f"{ACME}/"
        assert set(Membership.objects.filter(user=bob).values_list("role", flat=True)) == {
            "viewer",
            "analyst",
        }

    def test_a_link_alone_makes_nobody_with_an_account_a_member(
        self, browser: Browser, alice: User, person: Callable[..., User], acme: TenantKey
    ) -> None:
        bob = person(BOB)
        browser.submit(link(invite(acme, alice)), NEW)
        assert not Membership.objects.filter(user=bob).exists()
        assert User.objects.get(email=BOB).check_password(PASSWORD)

    def test_another_person_is_told_for_whom_it_is_and_can_log_out_and_come_back(
        self, browser: Browser, alice: User, mallory: User, acme: TenantKey
    ) -> None:
        url = link(invite(acme, alice))
        browser.log_in(mallory.email, PASSWORD)
        for answer in (browser.visit(url), browser.submit(url, {})):
            assert answer.status_code == 403
            assert f"It is for {BOB}, and you are logged in as {mallory.email}" in answer.content.decode()
        assert Membership.objects.get(user=mallory).role == "owner"
        browser.submit(f"{BARE}/logout/", {"next": url.removeprefix(BARE)})
        assert browser.trail[-1] == url

    @pytest.mark.parametrize(
        ("happens", "answer"),
        [
            ("used", (409, "was accepted already")),
            ("expired", (403, "Please ask Acme to send it again")),
            ("revoked", (403, "Acme has revoked it")),
            ("sent again", (403, "Please use the link of the newest mail")),
            ("suspended", (409, "Acme is suspended")),
            ("deleting", (409, "Acme is about to be deleted")),
        ],
    )
    def test_what_cannot_be_accepted_says_why_and_what_to_do(
        self, browser: Browser, alice: User, acme: TenantKey, happens: str, answer: tuple[int, str]
    ) -> None:
        invitation = invite(acme, alice)
        self._let(happens, invitation, alice, acme)
        people, (status, words) = User.objects.count(), answer
        for page in (browser.visit(link(invitation)), browser.submit(link(invitation), NEW)):
            assert (page.status_code, words in page.content.decode()) == (status, True)
        assert User.objects.count() == people

    def _let(self, happens: str, invitation: Invitation, alice: User, acme: TenantKey) -> None:
        by = Authority(user_id=alice.id)
        if happens == "used":
            invitations.accept_as_new(token=token(invitation), password=NEW["password"])
        elif happens == "expired":
            expire(invitation)
        elif happens in ("revoked", "sent again"):
            with tenant_scope(acme):
                earlier = invitation.number
                act = invitations.revoke if happens == "revoked" else invitations.resend
                act(invitation_id=invitation.id, by=by)
                invitation.number = earlier
        else:
            with system_scope("operator"):
                act_on = tenants.suspend if happens == "suspended" else tenants.request_deletion
                act_on(tenant_id=acme.id, reason="a test")

    @pytest.mark.parametrize("spoil", ["cut", "changed", "nonsense", "foreign salt", "unknown id"])
    def test_a_link_that_is_not_ours_is_not_found(
        self, browser: Browser, alice: User, acme: TenantKey, spoil: str
    ) -> None:
        whole = token(invite(acme, alice))
        first = "A" if whole[0] != "A" else "B"
        content = [str(factories.tenant("acme").id), 1]
        spoiled = {
            "cut": whole[:-3],
            "changed": first + whole[1:],
            "nonsense": "nonsense",
            "foreign salt": signing.Signer(sep=".", salt="other").sign_object(content),
            "unknown id": invitations.token_of(invitation_id=factories.tenant("acme").id, number=1),
        }[spoil]
        answer = browser.visit(f"{BARE}/invitations/{spoiled}/")
        assert (answer.status_code, "not an invitation" in answer.content.decode()) == (404, True)

    def test_a_weak_password_is_refused_and_the_name_stays_typed(
        self, browser: Browser, alice: User, acme: TenantKey
    ) -> None:
        answer = browser.submit(link(invite(acme, alice)), {"name": "Bob Bobson", "password": "short"})
        page = answer.content.decode()
        assert answer.status_code == 422
        assert "too short" in page
        assert 'value="Bob Bobson"' in page
        assert 'value="short"' not in page

    def test_who_is_a_member_by_now_stays_what_they_are(
        self, alice: User, person: Callable[..., User], acme: TenantKey
    ) -> None:
        invitation = invite(acme, alice, role="owner")
        bob = person(BOB, acme, Role.VIEWER)
        invitations.accept(token=token(invitation), user=bob)
        assert Membership.objects.get(user=bob).role == "viewer"

    def test_the_page_is_told_to_no_other_site(self, browser: Browser, alice: User, acme: TenantKey) -> None:
        answer = browser.visit(link(invite(acme, alice)))
        assert answer["Referrer-Policy"] == "same-origin"
        assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("new", [True, False], ids=["a new person", "a person with an account"])
@pytest.mark.usefixtures("committed")
def test_accepted_four_times_at_the_same_moment_it_makes_one_member(new: bool) -> None:
    tenant = factories.tenant("acme")
    alice = User.objects.create(email="alice@acme.example")
    Membership.objects.create(tenant_id=tenant.id, user=alice, role=Role.OWNER)
    bob = None if new else User.objects.create(email=BOB)
    word = token(invite(tenant.key, alice))
    start, outcomes = threading.Barrier(4), []

    def run() -> None:
        start.wait()
        try:
            if bob is None:
                invitations.accept_as_new(token=word, password=NEW["password"])
            else:
                invitations.accept(token=word, user=bob)
            outcomes.append("in")
        except (errors.InvitationUsed, errors.EmailTaken):
            outcomes.append("refused")
        finally:
            connections["default"].close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["in", "refused", "refused", "refused"]
    assert Membership.objects.filter(user__email=BOB).count() == 1


@pytest.mark.usefixtures("committed")
def test_two_admins_who_invite_the_same_person_at_the_same_moment_make_one_invitation() -> None:
    tenant = factories.tenant("acme")
    people = [User.objects.create(email=f"{name}@acme.example") for name in ("alice", "carol")]
    for user in people:
        Membership.objects.create(tenant_id=tenant.id, user=user, role=Role.OWNER)
    start, outcomes = threading.Barrier(2), []

    def run(user: User) -> None:
        start.wait()
        try:
            invite(tenant.key, user)
            outcomes.append("made")
        except errors.AlreadyInvited:
            outcomes.append("refused")
        finally:
            connections["default"].close()

    threads = [threading.Thread(target=run, args=(user,)) for user in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made", "refused"]
    with tenant_scope(tenant.key):
        assert Invitation.objects.count() == 1


@pytest.mark.django_db
class TestThePage:
    """Inviting in the browser."""

    FORM = {"emails": f"{BOB}\ncarol@acme.example", "role": "viewer", "days": "3", "message": "Hello"}

    def test_shows_pending_invitations_with_a_link_to_copy(
        self, browser: Browser, alice: User, acme: TenantKey
    ) -> None:
        browser.log_in(alice.email, PASSWORD)
        page = browser.submit(f"{ACME}/members/invite/", self.FORM).content.decode()
        with tenant_scope(acme):
            rows = list(Invitation.objects.all())
        assert {row.email for row in rows} == {BOB, "carol@acme.example"}
        assert all(f"{django_settings.PUBLIC_URL}/invitations/{token(row)}/" in page for row in rows)
        assert "No mail server is set up here" in page

    def test_what_was_typed_stays_when_it_is_refused(self, browser: Browser, alice: User) -> None:
        browser.log_in(alice.email, PASSWORD)
        answer = browser.submit(
            f"{ACME}/members/invite/", {**self.FORM, "emails": "nobody, bob@acme.example"}
        )
        page = answer.content.decode()
        assert answer.status_code == 422
        assert "&#x27;nobody&#x27; is not an e-mail address" in page
        assert "nobody, bob@acme.example</textarea>" in page
        assert 'value="3"' in page

    def test_an_admin_neither_gives_the_owners_role_nor_sees_an_owners_link(
        self, browser: Browser, alice: User, person: Callable[..., User], acme: TenantKey
    ) -> None:
        owners = invite(acme, alice, role="owner")
        carol = person("carol@acme.example", acme, Role.ADMIN)
        browser.log_in(carol.email, PASSWORD)
        page = browser.visit(f"{ACME}/members/").content.decode()
        assert BOB in page
        assert token(owners) not in page
        assert 'value="owner"' not in page
        answer = browser.submit(
            f"{ACME}/members/invite/", {**self.FORM, "emails": "eve@x.de", "role": "owner"}
        )
        assert answer.status_code == 403
        assert "can be given and taken by an owner alone" in answer.content.decode()

    def test_a_viewer_sees_no_invitations(
        self, browser: Browser, alice: User, person: Callable[..., User], acme: TenantKey
    ) -> None:
        invite(acme, alice)
        carol = person("carol@acme.example", acme, Role.VIEWER)
        browser.log_in(carol.email, PASSWORD)
        assert BOB not in browser.visit(f"{ACME}/members/").content.decode()
