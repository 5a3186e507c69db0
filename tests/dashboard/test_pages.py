"""The frame around the pages, the overview, the audit log and the pages of jobs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from apps.accounts.permissions import PERMISSIONS, Role
from apps.core.tenancy import TenantKey
from apps.dashboard.context import NAVIGATION, banner, navigation
from apps.dashboard.job_views import result_url
from apps.dashboard.views import first_steps
from apps.jobs import services as jobs
from apps.usage.queries import Quota
from tenants.context import tenant_scope
from tests.accounts.browser import Browser
from tests.dashboard.conftest import ACME

Member = Callable[[Role], Browser]


def _queue(acme: TenantKey, title: str) -> str:
    with tenant_scope(acme):
        return jobs.enqueue(kind="test.nothing", payload={}, title=title).public_id


class TestShell:
    """What every page of a tenant draws around its content."""

    def test_names_the_company_its_plan_and_the_person(self, member: Member) -> None:
        page = member(Role.OWNER).visit(f"{ACME}/").content.decode()
        for words in ("Acme", "Free", "owner@acme.example", "Owner of Acme", "of 10,000"):
            assert words in page

    @pytest.mark.urls("config.urls_tenant")
    def test_shows_only_what_the_role_may_open(self) -> None:
        viewer = {each["label"] for each in navigation("/", frozenset({"tenant:read", "usage:read"}))}
        assert viewer == {"Overview", "Usage"}

    def test_every_entry_asks_for_a_permission_that_exists(self) -> None:
        assert {entry.permission for entry in NAVIGATION} <= PERMISSIONS.keys()

    @pytest.mark.urls("config.urls_tenant")
    @pytest.mark.parametrize(
        ("path", "label"), [("/", "Overview"), ("/jobs/job_1/", "Jobs"), ("/audit/?page=2", "Audit log")]
    )
    def test_marks_where_one_is(self, path: str, label: str) -> None:
        active = [
            each["label"]
            for each in navigation(path.partition("?")[0], frozenset(PERMISSIONS))
            if each["active"]
        ]
        assert active == [label]

    def test_warns_when_the_points_run_out(self) -> None:
        quota = [Quota(used=used, limit=100, resets_at=None) for used in (79, 80, 100)]  # type: ignore[arg-type]
        levels = [shown["level"] if (shown := banner(each, "/plan/")) else None for each in quota]
        assert levels == [None, "warning", "error"]


class TestOverview:
    """The first page of a company."""

    def test_leads_a_new_company_from_data_to_a_call(self, member: Member) -> None:
        page = member(Role.OWNER).visit(f"{ACME}/").content.decode()
        assert "Bring a data set" in page
        assert "Ask for a forecast" in page

    def test_leaves_the_first_steps_out_once_all_are_done(self) -> None:
        assert first_steps({"datasets": 1, "models": 1, "keys": 1}, called=True) == []
        begun = first_steps({"datasets": 1, "models": 0, "keys": 1}, called=False)
        assert [each["done"] for each in begun] == [True, False, True, False]


class TestAuditLog:
    """Who changed what."""

    def test_finds_what_a_person_did(self, member: Member) -> None:
        browser = member(Role.OWNER)
        browser.submit(
            f"{ACME}/api-keys/create/", {"name": "Till", "scopes": ["forecasts:run"], "expires": "30"}
        )
        assert "owner@acme.example" in browser.visit(f"{ACME}/audit/?search=owner@acme").content.decode()
        assert "Nothing found" in browser.visit(f"{ACME}/audit/?search=nobody-of-that-name").content.decode()

    @pytest.mark.parametrize("search", ["%00", "%27%22%25", "a" * 3000])
    def test_survives_odd_searches(self, member: Member, search: str) -> None:
        assert member(Role.OWNER).visit(f"{ACME}/audit/?search={search}&page=x").status_code == 200

    def test_is_closed_to_viewers(self, member: Member) -> None:
        assert member(Role.VIEWER).visit(f"{ACME}/audit/").status_code == 403


class TestJobs:
    """Work in the background, as its owner sees it."""

    def test_lists_the_companys_jobs_and_filters_by_state(self, member: Member, acme: TenantKey) -> None:
        _queue(acme, "Train employment")
        browser = member(Role.VIEWER)
        assert "Train employment" in browser.visit(f"{ACME}/jobs/").content.decode()
        assert "Train employment" in browser.visit(f"{ACME}/jobs/?state=queued").content.decode()
        assert "Train employment" not in browser.visit(f"{ACME}/jobs/?state=failed").content.decode()

    def test_shows_a_job_and_asks_again_until_it_is_done(self, member: Member, acme: TenantKey) -> None:
        job_id = _queue(acme, "Train employment")
        page = member(Role.VIEWER).visit(f"{ACME}/jobs/{job_id}/").content.decode()
        assert f'hx-get="/jobs/{job_id}/status/"' in page
        assert f"/jobs/{job_id}/cancel/" not in page

    def test_lets_an_analyst_cancel(self, member: Member, acme: TenantKey) -> None:
        job_id = _queue(acme, "Train employment")
        page = member(Role.ANALYST).submit(f"{ACME}/jobs/{job_id}/cancel/", {})
        assert page.status_code == 200
        assert "The job is being cancelled." in page.content.decode()

    def test_does_not_know_another_companys_job(self, member: Member, globex: TenantKey) -> None:
        job_id = _queue(globex, "Theirs")
        assert member(Role.OWNER).visit(f"{ACME}/jobs/{job_id}/").status_code == 404

    def test_links_to_nothing_where_a_kind_has_no_page(self) -> None:
        assert result_url("test.nothing", {}) == ""
        assert result_url("training.run", {}) == ""


class TestGlance:
    """The overview's part that costs a prediction."""

    def test_is_empty_before_the_first_model(self, member: Member) -> None:
        page = member(Role.VIEWER).visit(f"{ACME}/glance/")
        assert page.status_code == 200
        assert "data-chart" not in page.content.decode()

    def test_is_not_asked_for_by_roles_that_may_not_see_models(self, member: Member) -> None:
        browser = member(Role.BILLING)
        assert "/glance/" not in browser.visit(f"{ACME}/").content.decode()
        assert browser.visit(f"{ACME}/glance/").status_code == 403


class TestErrorPages:
    """What people see where there is nothing, and where they may not go."""

    def test_an_unknown_address_gets_a_kind_page(self, member: Member) -> None:
        page = member(Role.OWNER).visit(f"{ACME}/nowhere/")
        assert page.status_code == 404
        assert "There is nothing at this address" in page.content.decode()

    def test_an_expired_form_says_what_to_do(self, member: Member) -> None:
        browser = member(Role.OWNER)
        browser.client(ACME).handler.enforce_csrf_checks = True
        page = browser.submit(f"{ACME}/logout/", {})
        assert page.status_code == 403
        assert "This form has expired" in page.content.decode()
