"""From a browser's request to the tenant's scope: host name, session, person, membership, then the scope."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_cache_control

from apps.accounts import hosts, queries, services
from apps.accounts.models import Membership, User
from apps.accounts.permissions import ROLE_PERMISSIONS, Role
from apps.core import request_context
from apps.core.errors import NotFound
from apps.core.middleware import answer
from tenants.context import tenant_scope
from tenants.models import Tenant, TenantState

STATE_COOKIE: Final = "almanac_entry"
STATE_SECONDS: Final = 600
API_PREFIX: Final = "/v1/"
OPEN_PATHS: Final = frozenset({"/livez", "/readyz", "/docs/problems"})
_DOORS: Final = ("/session/", "/logout/")
KEEP_PATH: Final = "/settings/keep/"
SEEN_EVERY: Final = timedelta(minutes=1)
_GONE: Final = frozenset({TenantState.GONE, TenantState.READY})


class SessionScopeMiddleware:
    """Serve the bare host's pages without a tenant, and a tenant host's pages to its members in its scope.

    Stands after the host, session and authentication middleware, as sessions, people and memberships are
    read as the edge, before the scope opens. Sets ``request.membership`` and ``request.permissions`` for
    members. The API finds its tenant by its key, not here.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """The page, the way to log in, or a page that says why not."""
        tenant: Tenant | None = request.tenant  # type: ignore[attr-defined]
        if request.path in OPEN_PATHS or request.path.startswith(API_PREFIX):
            return self.get_response(request)
        if tenant is None:
            return self._as_person(request)
        if tenant.state in _GONE:
            return self._nothing_here(request)
        if hosts.domain_and_port(request)[0] != hosts.domain_of(tenant):
            return to_present_address(request, tenant)
        return (
            self._as_person(request) if request.path.startswith(_DOORS) else self._by_state(request, tenant)
        )

    def _by_state(self, request: HttpRequest, tenant: Tenant) -> HttpResponseBase:
        if tenant.state == TenantState.CREATING:
            return being_prepared(request, tenant)
        return self._as_visitor(request, tenant)

    def _as_visitor(self, request: HttpRequest, tenant: Tenant) -> HttpResponseBase:
        log_in_session = request.session.get(services.LOG_IN_SESSION, "")
        if not log_in_session or not request.user.is_authenticated:
            return to_log_in(request, tenant)
        seat = queries.find_seat(user_id=request.user.id, tenant_id=tenant.id, log_in_session=log_in_session)
        if seat.membership is None:
            return self._nothing_here(request)
        # A session ends with the membership it was opened for, also where the person is a member again.
        if not seat.alive or request.session.get(services.SEAT) != str(seat.membership.id):
            return to_log_in(request, tenant)
        self._note(seat, log_in_session)
        return self._as_member(request, tenant, request.user, seat.membership)

    def _note(self, seat: queries.Seat, log_in_session: str) -> None:
        """When the person was last seen, here and at all; the database is asked only where a minute has passed."""
        latest = [
            moment for moment in (seat.log_in_seen_at, seat.membership and seat.membership.seen_at) if moment
        ]
        if len(latest) < 2 or timezone.now() - min(latest) > SEEN_EVERY:
            services.sessions.note_seen(
                session_key=log_in_session, membership_id=seat.membership.id if seat.membership else None
            )

    def _nothing_here(self, request: HttpRequest) -> HttpResponseBase:
        return answer(request, NotFound(what="workspace", name=hosts.domain_and_port(request)[0]))

    def _as_member(
        self, request: HttpRequest, tenant: Tenant, user: User, membership: Membership
    ) -> HttpResponseBase:
        request.membership = membership  # type: ignore[attr-defined]
        request.permissions = ROLE_PERMISSIONS[Role(membership.role)]  # type: ignore[attr-defined]
        with request_context.act_as(services.actor_of(user)), tenant_scope(tenant.key):
            if tenant.state == TenantState.SUSPENDED:  # why is the members' business alone
                return render(request, "accounts/suspended.html", {"tenant": tenant}, status=403)
            if tenant.state == TenantState.DELETING and request.path != KEEP_PATH:
                return to_be_deleted(request, tenant)
            response = self.get_response(request)
        patch_cache_control(response, private=True)
        return response

    def _as_person(self, request: HttpRequest) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return self.get_response(request)
        if request.tenant is None:  # type: ignore[attr-defined]
            services.sessions.note_seen(session_key=request.session.session_key or "")
        with request_context.act_as(services.actor_of(request.user)):
            return self.get_response(request)


def to_present_address(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """An earlier address leads to the present one: to the same page, or to the start for what was sent."""
    reads = request.method in {"GET", "HEAD"}
    return HttpResponseRedirect(
        hosts.tenant_url(request, tenant, hosts.safe_path(request.get_full_path()) if reads else "/")
    )


def to_be_deleted(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """Every page of a tenant in its grace: when it goes, and for owners the way back."""
    membership: Membership = request.membership  # type: ignore[attr-defined]
    context = {
        "tenant": tenant,
        "may_keep": membership.role == Role.OWNER and tenant.erasure_started_at is None,
    }
    response = render(request, "accounts/to_be_deleted.html", context, status=403)
    patch_cache_control(response, private=True, no_store=True)
    return response


def to_log_in(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """Send an anonymous visitor to log in, and back to the page that was asked for; htmx is told to load a
    whole page."""
    if request.headers.get("HX-Request"):
        return HttpResponse(status=401, headers={"HX-Redirect": "/"})
    came_for = request.get_full_path() if request.method in {"GET", "HEAD"} else "/"
    return begin_entry(request, tenant, hosts.safe_path(came_for))


def begin_entry(request: HttpRequest, tenant: Tenant, path: str, *, bare_domain: str = "") -> HttpResponse:
    """The redirect to the bare host that starts an entry into a tenant's host.

    The state in the cookie ties the code that comes back to this browser: without it, a stranger could slip
    a code of their own to somebody, who would then work in the stranger's session unawares.
    """
    state = request.COOKIES.get(STATE_COOKIE) or secrets.token_urlsafe(24)
    response = HttpResponseRedirect(
        hosts.bare_url(request, f"/enter/{tenant.slug}/", domain=bare_domain, state=state, next=path)
    )
    response.set_cookie(
        STATE_COOKIE, state, max_age=STATE_SECONDS, secure=request.is_secure(), httponly=True, samesite="Lax"
    )
    patch_cache_control(response, no_store=True)
    return response


def being_prepared(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """The page that a visitor sees while the tenant is being made; it comes back by itself."""
    response = render(request, "accounts/being_prepared.html", {"tenant": tenant}, status=503)
    response["Retry-After"] = "3"
    return response
