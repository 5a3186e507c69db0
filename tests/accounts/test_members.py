"""Roles change hands within limits: nobody gives or takes more than they have, and one owner always stays."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connections

from apps.accounts import errors
from apps.accounts.models import Invitation, Membership, User
from apps.accounts.permissions import GRANTABLE, Role
from apps.accounts.services import Authority, invitations, members
from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, NotFound
from apps.core.ids import public_id
from apps.core.tenancy import TenantKey
from tenants.context import tenant_scope
from tests import factories
from tests.accounts.browser import BARE, Browser
from tests.accounts.conftest import PASSWORD

ACME = "http://acme.localhost"
MANAGERS = {
    Role.OWNER: set(Role),
    Role.ADMIN: set(Role) - {Role.OWNER},
}


def _seat(user: User) -> Membership:
    return Membership.objects.get(user=user)


def _member(name: str, role: Role) -> User:
    user = User.objects.create(email=f"{name}@acme.example")
    Membership.objects.create(tenant_id=factories.tenant("acme").id, user=user, role=role)
    return user


@pytest.mark.django_db
class TestRoles:
    """Each role x each action."""

    def test_owners_give_every_role_admins_all_but_theirs_others_none(self) -> None:
        assert {role: frozenset(MANAGERS.get(role, ())) for role in Role} == GRANTABLE

    @pytest.mark.parametrize("target", list(Role))
    @pytest.mark.parametrize("actor", list(Role))
    @pytest.mark.parametrize("action", ["demote", "remove", "invite", "promote"])
    def test_each_role_does_to_each_other_what_the_table_says(
        self, alice: User, acme: TenantKey, action: str, actor: Role, target: Role
    ) -> None:
        by = Authority(user_id=_member("bob", actor).id)
        seat = _seat(_member("carol", target if action in ("demote", "remove") else Role.VIEWER))
        acts: dict[str, Callable[[], object]] = {
            "demote": lambda: members.change_role(member_id=seat.id, role="viewer", by=by),
            "promote": lambda: members.change_role(member_id=seat.id, role=target, by=by),
            "remove": lambda: members.remove(member_id=seat.id, by=by),
            "invite": lambda: invitations.invite(emails=["dave@acme.example"], role=target, by=by),
        }
        with tenant_scope(acme):
            if target in MANAGERS.get(actor, ()):
                acts[action]()
            else:
                with pytest.raises((errors.RoleNotYours, Forbidden)):
                    acts[action]()

    @pytest.mark.parametrize("role", list(Role))
    def test_a_key_counts_as_an_admin_and_a_personal_one_as_no_more_than_its_owner(
        self, alice: User, acme: TenantKey, role: Role
    ) -> None:
        bob = _member("bob", role)
        with tenant_scope(acme):
            assert members.grantable(Authority(by_key=True)) == MANAGERS[Role.ADMIN]
            own = members.grantable(Authority(user_id=bob.id, by_key=True))
        assert own == MANAGERS.get(role, set()) - {Role.OWNER}

    def test_somebody_who_was_removed_a_moment_ago_does_nothing(self, alice: User, acme: TenantKey) -> None:
        bob = _member("bob", Role.ADMIN)
        carol = _seat(_member("carol", Role.VIEWER))
        with tenant_scope(acme):
            members.remove(member_id=_seat(bob).id, by=Authority(user_id=alice.id))
            with pytest.raises(Forbidden):
                members.remove(member_id=carol.id, by=Authority(user_id=bob.id))

    def test_a_role_that_does_not_exist_is_refused_with_those_that_do(
        self, alice: User, acme: TenantKey
    ) -> None:
        with tenant_scope(acme), pytest.raises(errors.RoleUnknown, match="'root' is not a role"):
            members.change_role(member_id=_seat(alice).id, role="root", by=Authority(user_id=alice.id))

    def test_a_member_of_another_tenant_is_as_one_that_does_not_exist(
        self, alice: User, mallory: User, acme: TenantKey
    ) -> None:
        foreign = _seat(mallory)
        with tenant_scope(acme), pytest.raises(NotFound):
            members.remove(member_id=foreign.id, by=Authority(user_id=alice.id))
        assert _seat(mallory).role == "owner"


@pytest.mark.django_db
class TestTheLastOwner:
    """Cannot leave, be removed, be demoted."""

    def test_neither_leaves_nor_is_removed_nor_demoted(self, alice: User, acme: TenantKey) -> None:
        _member("bob", Role.ADMIN)
        by, seat = Authority(user_id=alice.id), _seat(alice)
        with tenant_scope(acme):
            for act in (
                lambda: members.leave(user_id=alice.id),
                lambda: members.remove(member_id=seat.id, by=by),
                lambda: members.change_role(member_id=seat.id, role="admin", by=by),
            ):
                with pytest.raises(errors.LastOwner, match=r"alice@acme\.example is the only owner"):
                    act()
        assert _seat(alice).role == "owner"

    def test_the_owner_of_another_tenant_does_not_count(
        self, alice: User, mallory: User, acme: TenantKey
    ) -> None:
        with tenant_scope(acme), pytest.raises(errors.LastOwner):
            members.leave(user_id=alice.id)

    def test_with_a_second_owner_the_first_may_go(self, alice: User, acme: TenantKey) -> None:
        _member("bob", Role.OWNER)
        with tenant_scope(acme):
            members.leave(user_id=alice.id)
        assert not Membership.objects.filter(user=alice).exists()


@pytest.mark.django_db
class TestOwnership:
    """Handing over."""

    def test_the_heir_is_an_owner_and_the_giver_an_admin(self, alice: User, acme: TenantKey) -> None:
        bob = _member("bob", Role.VIEWER)
        with tenant_scope(acme):
            members.transfer_ownership(owner_id=alice.id, member_id=_seat(bob).id)
            event = AuditEvent.objects.get(action="ownership.transferred")
        assert (_seat(bob).role, _seat(alice).role) == ("owner", "admin")
        assert event.changes["before"] == "viewer"

    def test_a_giver_may_stay_an_owner(self, alice: User, acme: TenantKey) -> None:
        bob = _member("bob", Role.ADMIN)
        with tenant_scope(acme):
            members.transfer_ownership(owner_id=alice.id, member_id=_seat(bob).id, stay_owner=True)
        assert (_seat(bob).role, _seat(alice).role) == ("owner", "owner")

    def test_to_oneself_changes_nothing(self, alice: User, acme: TenantKey) -> None:
        with tenant_scope(acme):
            members.transfer_ownership(owner_id=alice.id, member_id=_seat(alice).id)
        assert _seat(alice).role == "owner"

    @pytest.mark.parametrize("role", [role for role in Role if role != Role.OWNER])
    def test_nobody_else_hands_over(self, alice: User, acme: TenantKey, role: Role) -> None:
        bob = _member("bob", role)
        with tenant_scope(acme), pytest.raises(errors.RoleNotYours):
            members.transfer_ownership(owner_id=bob.id, member_id=_seat(bob).id)


@pytest.mark.django_db
class TestTraces:
    """What a change leaves behind."""

    def test_a_change_is_in_the_log_without_the_address_among_the_changes(
        self, alice: User, acme: TenantKey
    ) -> None:
        bob = _member("bob", Role.VIEWER)
        with tenant_scope(acme):
            members.change_role(member_id=_seat(bob).id, role="analyst", by=Authority(user_id=alice.id))
            event = AuditEvent.objects.get(action="member.role_changed")
        assert (event.target_id, event.changes) == (str(bob.id), {"before": "viewer", "after": "analyst"})

    def test_the_same_role_again_leaves_no_trace(self, alice: User, acme: TenantKey) -> None:
        bob = _member("bob", Role.VIEWER)
        with tenant_scope(acme):
            members.change_role(member_id=_seat(bob).id, role="viewer", by=Authority(user_id=alice.id))
            assert not AuditEvent.objects.filter(action="member.role_changed").exists()

    def test_whoever_is_removed_leaves_no_invitation_to_come_back_by(
        self, alice: User, acme: TenantKey
    ) -> None:
        bob = _member("bob", Role.ADMIN)
        with tenant_scope(acme):
            invitations.invite(emails=["bob2@acme.example"], role="admin", by=Authority(user_id=bob.id))
            invitations.invite(emails=["eve@acme.example"], role="admin", by=Authority(user_id=alice.id))
            members.remove(member_id=_seat(bob).id, by=Authority(user_id=alice.id))
            states = {row.email: row.state for row in Invitation.objects.all()}
        assert states == {"bob2@acme.example": "revoked", "eve@acme.example": "pending"}

    def test_whoever_is_demoted_keeps_only_the_invitations_that_they_could_still_send(
        self, alice: User, acme: TenantKey
    ) -> None:
        bob = _member("bob", Role.OWNER)
        by = Authority(user_id=bob.id)
        with tenant_scope(acme):
            invitations.invite(emails=["new-owner@acme.example"], role="owner", by=by)
            invitations.invite(emails=["viewer@acme.example"], role="viewer", by=by)
            members.change_role(member_id=_seat(bob).id, role="admin", by=Authority(user_id=alice.id))
            states = {row.email: row.state for row in Invitation.objects.all()}
        assert states == {"new-owner@acme.example": "revoked", "viewer@acme.example": "pending"}


@pytest.fixture
def two_owners(committed: None) -> list[User]:
    """Alice and bob both own acme; committed, for threads."""
    return [_member("alice", Role.OWNER), _member("bob", Role.OWNER)]


@pytest.mark.parametrize("act", ["leave", "demote each other", "remove each other", "demote oneself"])
@pytest.mark.parametrize("_round", range(3))
def test_of_two_owners_at_the_same_moment_one_stays(two_owners: list[User], act: str, _round: int) -> None:
    key = factories.tenant("acme").key
    seats = {user.id: _seat(user).id for user in two_owners}
    start, outcomes = threading.Barrier(2), []

    def run(me: User, other: User) -> None:
        by = Authority(user_id=me.id)
        acts: dict[str, Callable[[], object]] = {
            "leave": lambda: members.leave(user_id=me.id),
            "demote each other": lambda: members.change_role(member_id=seats[other.id], role="viewer", by=by),
            "remove each other": lambda: members.remove(member_id=seats[other.id], by=by),
            "demote oneself": lambda: members.change_role(member_id=seats[me.id], role="viewer", by=by),
        }
        start.wait()
        try:
            with tenant_scope(key):
                acts[act]()
            outcomes.append("done")
        except (errors.LastOwner, errors.RoleNotYours, Forbidden):
            outcomes.append("refused")
        finally:
            connections["default"].close()

    pairs = (two_owners, two_owners[::-1])
    threads = [threading.Thread(target=run, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done", "refused"]
    assert Membership.objects.filter(role=Role.OWNER).count() == 1


@pytest.mark.django_db
class TestThePage:
    """``/members/``."""

    @pytest.mark.parametrize("role", list(Role))
    def test_everybody_sees_the_people_and_managers_the_forms(
        self, browser: Browser, person: Callable[..., User], acme: TenantKey, role: Role
    ) -> None:
        bob = person("bob@acme.example", acme, role)
        browser.log_in(bob.email, PASSWORD)
        page = browser.visit(f"{ACME}/members/").content.decode()
        assert "bob@acme.example" in page
        assert ("Invite people" in page) is (role in MANAGERS)
        statuses = {
            browser.submit(f"{ACME}/members/{path}", {}).status_code
            for path in ("invite/", f"{_id(bob)}/role/", f"{_id(bob)}/remove/", "invitations/inv_x/revoke/")
        }
        assert (statuses == {403}) is (role not in MANAGERS)

    def test_a_changed_role_counts_from_the_next_request_on(
        self, browser: Browser, alice: User, person: Callable[..., User], acme: TenantKey
    ) -> None:
        bob, of_bob = person("bob@acme.example", acme, Role.VIEWER), Browser()
        browser.log_in(alice.email, PASSWORD)
        of_bob.log_in(bob.email, PASSWORD)
        assert of_bob.visit(f"{ACME}/api-keys/").status_code == 403
        page = browser.submit(f"{ACME}/members/{_id(bob)}/role/", {"role": "developer"}).content.decode()
        assert "bob@acme.example is now a developer." in page
        assert of_bob.visit(f"{ACME}/api-keys/").status_code == 200

    def test_whoever_is_removed_is_out_at_once_and_not_in_again_by_an_old_session(
        self, browser: Browser, alice: User, person: Callable[..., User], acme: TenantKey
    ) -> None:
        bob, of_bob = person("bob@acme.example", acme, Role.VIEWER), Browser()
        browser.log_in(alice.email, PASSWORD)
        of_bob.log_in(bob.email, PASSWORD)
        assert of_bob.visit(f"{ACME}/members/").status_code == 200
        browser.submit(f"{ACME}/members/{_id(bob)}/remove/", {})
        assert of_bob.visit(f"{ACME}/members/").status_code == 404
        Membership.objects.create(tenant_id=acme.id, user=bob, role=Role.VIEWER)
        assert "/enter/" in of_bob.step(f"{ACME}/members/")["Location"]

    def test_the_last_owner_is_told_why_not(self, browser: Browser, alice: User) -> None:
        browser.log_in(alice.email, PASSWORD)
        answer = browser.submit(f"{ACME}/members/leave/", {})
        assert answer.status_code == 409
        assert "is the only owner" in answer.content.decode()

    def test_leaving_leads_to_the_choice_of_companies(
        self, browser: Browser, alice: User, person: Callable[..., User], acme: TenantKey
    ) -> None:
        bob = person("bob@acme.example", acme, Role.BILLING)
        browser.log_in(bob.email, PASSWORD)
        browser.submit(f"{ACME}/members/leave/", {})
        assert browser.trail[-1] == f"{BARE}/tenants/?all=1"
        assert not Membership.objects.filter(user=bob).exists()

    def test_shows_when_somebody_was_last_seen_here_and_not_elsewhere(
        self, browser: Browser, alice: User, person: Callable[..., User], acme: TenantKey, globex: TenantKey
    ) -> None:
        bob = person("bob@acme.example", acme, Role.VIEWER)
        Membership.objects.create(tenant_id=globex.id, user=bob, role=Role.VIEWER)
        of_bob = Browser()
        of_bob.log_in(bob.email, PASSWORD)
        of_bob.visit("http://globex.localhost/")
        seen = dict(Membership.objects.filter(user=bob).values_list("tenant_id", "seen_at"))
        assert (seen[acme.id], seen[globex.id] is not None) == (None, True)
        browser.log_in(alice.email, PASSWORD)
        assert "not seen yet" in browser.visit(f"{ACME}/members/").content.decode()


def _id(user: User) -> str:
    return public_id("mem", _seat(user).id)
