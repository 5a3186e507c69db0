"""From a browser's request to the tenant's scope: host name, session, person, membership, then the scope."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
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
_GONE: Final = frozenset({TenantState.DELETING, TenantState.GONE, TenantState.READY})


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
        if tenant is None or (request.path.startswith(_DOORS) and tenant.state not in _GONE):
            return self._as_person(request)
        return self._by_state(request, tenant)

    def _by_state(self, request: HttpRequest, tenant: Tenant) -> HttpResponseBase:
        if tenant.state in _GONE:
            return self._nothing_here(request)
        if tenant.state == TenantState.CREATING:
            return being_prepared(request, tenant)
        if tenant.state == TenantState.SUSPENDED:
            return render(request, "accounts/suspended.html", {"tenant": tenant}, status=403)
        return self._as_visitor(request, tenant)

    def _as_visitor(self, request: HttpRequest, tenant: Tenant) -> HttpResponseBase:
        log_in_session = request.session.get(services.LOG_IN_SESSION, "")
        if not log_in_session or not request.user.is_authenticated:
            return to_log_in(request, tenant)
        user = request.user
        membership, alive = queries.find_seat(
            user_id=user.id, tenant_id=tenant.id, log_in_session=log_in_session
        )
        if membership is None:
            return self._nothing_here(request)
        if not alive:
            return to_log_in(request, tenant)
        return self._as_member(request, tenant, user, membership)

    def _nothing_here(self, request: HttpRequest) -> HttpResponseBase:
        return answer(request, NotFound(what="workspace", name=hosts.domain_and_port(request)[0]))

    def _as_member(
        self, request: HttpRequest, tenant: Tenant, user: User, membership: Membership
    ) -> HttpResponseBase:
        request.membership = membership  # type: ignore[attr-defined]
        request.permissions = ROLE_PERMISSIONS[Role(membership.role)]  # type: ignore[attr-defined]
        with request_context.act_as(services.actor_of(user)), tenant_scope(tenant.key):
            response = self.get_response(request)
        patch_cache_control(response, private=True)
        return response

    def _as_person(self, request: HttpRequest) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return self.get_response(request)
        with request_context.act_as(services.actor_of(request.user)):
            return self.get_response(request)


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
