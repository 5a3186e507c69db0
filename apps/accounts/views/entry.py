"""Pages of the bare host (welcome, sign-up, log-in, choice of tenant) and the doors of a tenant's host."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts import errors, hosts, queries, services
from apps.accounts.forms import LogInForm, SignUpForm
from apps.accounts.middleware import STATE_COOKIE, begin_entry
from apps.accounts.views.forms import refused, show
from apps.core.errors import AppError
from tenants import queries as tenants

if TYPE_CHECKING:
    from tenants.models import Tenant


@require_GET
def welcome(request: HttpRequest) -> HttpResponse:
    """What the service is, and the ways in."""
    return render(request, "accounts/welcome.html", {"signup": settings.SIGNUP})


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    """Company, e-mail and password in; a tenant of one's own out."""
    invitation = request.GET.get("invitation", "")
    form = SignUpForm(request.POST or None, initial={"invitation": invitation})
    if request.method != "POST" or not form.is_valid():
        return show(request, "accounts/signup.html", form, 422 if form.is_bound else 200)
    try:
        user, tenant = services.sign_up(**form.cleaned_data)
    except AppError as error:
        return refused(request, "accounts/signup.html", form, error)
    services.open_log_in(request=request, user=user)
    return redirect("accounts:enter", slug=tenant.slug)


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def log_in(request: HttpRequest) -> HttpResponse:
    """E-mail and password; goes on to ``next``, which is always a path of this host."""
    going_to = hosts.safe_path(request.POST.get("next") or request.GET.get("next"), default="/tenants/")
    if request.method != "POST":
        if request.user.is_authenticated:
            return redirect(going_to)
        return show(request, "accounts/login.html", LogInForm(initial={"next": going_to}), 200)
    form = LogInForm(request.POST)
    if not form.is_valid():
        return show(request, "accounts/login.html", form, 422)
    try:
        services.log_in(
            request=request, email=form.cleaned_data["email"], password=form.cleaned_data["password"]
        )
    except AppError as error:
        return refused(request, "accounts/login.html", form, error)
    return redirect(going_to)


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    """End the session, here and on the bare host; goes on to ``next``, a path of the bare host."""
    services.log_out(request=request)
    going_to = hosts.safe_path(request.POST.get("next"))
    return redirect(hosts.bare_url(request, going_to, domain=hosts.domain_and_port(request)[0]))


@never_cache
@require_GET
def choose_tenant(request: HttpRequest) -> HttpResponse:
    """The tenants of the person who is logged in; with only one, straight into it."""
    if not request.user.is_authenticated:
        return first_log_in(request)
    user = request.user
    entries = queries.list_tenants_of(user_id=user.id)
    if len(entries) == 1 and not user.is_operator and "all" not in request.GET:
        return redirect("accounts:enter", slug=entries[0][0].slug)
    rows = [{"tenant": tenant, "role": membership.role} for tenant, membership in entries]
    return render(request, "accounts/tenants.html", {"rows": rows, "is_operator": user.is_operator})


@never_cache
@require_GET
def enter(request: HttpRequest, slug: str) -> HttpResponse:
    """From the bare host to a tenant's host, with a single-use code; the tenant's host is asked for its state
    first."""
    if not request.user.is_authenticated:
        return first_log_in(request)
    user = request.user
    tenant = tenants.find_by_slug(slug=slug)
    if tenant is None or queries.find_membership(user_id=user.id, tenant_id=tenant.id) is None:
        raise Http404(f"no tenant {slug}")
    path, state = hosts.safe_path(request.GET.get("next")), request.GET.get("state", "")
    if not state:
        domain = hosts.domain_and_port(request)[0]
        return redirect(hosts.tenant_url(request, tenant, "/session/start/", bare=domain, next=path))
    code = services.issue_host_code(
        user=user,
        host=hosts.tenant_host(request, tenant),
        log_in_session=request.session.session_key or "",
        state=state,
    )
    return _without_referrer(redirect(hosts.tenant_url(request, tenant, f"/session/{code}/", next=path)))


@never_cache
@require_GET
def start_entry(request: HttpRequest) -> HttpResponse:
    """On a tenant's host: give this browser a state and send it to the bare host it came from."""
    path = hosts.safe_path(request.GET.get("next"))
    return begin_entry(request, _tenant(request), path, bare_domain=request.GET.get("bare", ""))


@never_cache
@require_GET
def redeem(request: HttpRequest, code: str) -> HttpResponse:
    """On a tenant's host: turn a code into a session and go on to the page that was asked for."""
    path, state = hosts.safe_path(request.GET.get("next")), request.COOKIES.get(STATE_COOKIE, "")
    try:
        services.enter_tenant(
            request=request, tenant=_tenant(request), code=code, host=request.get_host(), state=state
        )
    except errors.HostCodeInvalid as error:
        return render(request, "accounts/code_invalid.html", {"error": error, "next": path}, status=403)
    response = _without_referrer(redirect(path))
    response.delete_cookie(STATE_COOKIE)
    return response


def _tenant(request: HttpRequest) -> Tenant:
    return cast("Tenant", request.tenant)  # type: ignore[attr-defined]


def first_log_in(request: HttpRequest) -> HttpResponse:
    """To the log-in, and back to the page that was asked for."""
    return redirect(f"/login/?{urlencode({'next': hosts.safe_path(request.get_full_path())})}")


def _without_referrer(response: HttpResponse) -> HttpResponse:
    response["Referrer-Policy"] = "no-referrer"
    return response
