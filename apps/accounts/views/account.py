"""The page 'Account' on the bare host: name, password, companies, log-ins."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST

from apps.accounts import browsers, queries, services
from apps.accounts.forms import NameForm, PasswordForm
from apps.accounts.models import User
from apps.accounts.views.entry import first_log_in
from apps.accounts.views.forms import note, with_wait
from apps.core import problems
from apps.core.errors import AppError, NotFound
from apps.core.ids import parse_public_id, public_id
from tenants import queries as tenants
from tenants.context import tenant_scope

Page = Callable[..., HttpResponse]


def for_person(view: Page) -> Page:
    """Decorate a page of the bare host that is about the person who is logged in; others log in first."""

    @functools.wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        return first_log_in(request) if request.method == "GET" else redirect("/login/?next=/account/")

    return checked


@never_cache
@require_GET
@for_person
def overview(request: HttpRequest) -> HttpResponse:
    """All about oneself."""
    return _page(request)


@never_cache
@require_POST
@for_person
def rename(request: HttpRequest) -> HttpResponse:
    """Another name."""
    form = NameForm(request.POST)
    if not form.is_valid():
        return _page(request, name_form=form)
    try:
        services.passwords.rename_person(user=_person(request), name=form.cleaned_data["name"])
    except AppError as error:
        return _refused(request, error, name_form=form)
    messages.success(request, "Your name is saved.")
    return redirect("accounts:account")


@never_cache
@sensitive_post_parameters("old", "new")
@require_POST
@for_person
def change_password(request: HttpRequest) -> HttpResponse:
    """Another password."""
    form = PasswordForm(request.POST)
    if not form.is_valid():
        return _page(request, password_form=form)
    data = form.cleaned_data
    try:
        services.passwords.change_password(
            request=request, user=_person(request), old=data["old"], new=data["new"]
        )
    except AppError as error:
        return _refused(request, error, password_form=form)
    messages.success(request, "Your password is changed. All other log-ins have ended.")
    return redirect("accounts:account")


@require_POST
@for_person
def end_session(request: HttpRequest, session_id: str) -> HttpResponse:
    """End one log-in; one's own is a log-out."""
    person, found = _person(request), parse_public_id("ses", session_id)
    log_in = queries.find_log_in(user_id=person.id, log_in_id=found)
    if log_in is not None and log_in.session_key == request.session.session_key:
        services.log_out(request=request)
        return redirect("accounts:log_in")
    services.sessions.end_log_in(user=person, log_in_id=found)
    messages.success(request, "That log-in has ended, on the companies' pages too.")
    return redirect("accounts:account")


@require_POST
@for_person
def end_others(request: HttpRequest) -> HttpResponse:
    """End all log-ins but this one."""
    ended = services.sessions.end_other_log_ins(user=_person(request), but=request.session.session_key or "")
    messages.success(request, f"{ended} other log-in{'s have' if ended != 1 else ' has'} ended.")
    return redirect("accounts:account")


@require_POST
@for_person
def leave(request: HttpRequest, slug: str) -> HttpResponse:
    """End one's membership of a company; of others' companies nothing is said."""
    person, tenant = _person(request), tenants.find_by_slug(slug=slug)
    if tenant is None or queries.find_membership(user_id=person.id, tenant_id=tenant.id) is None:
        raise NotFound(what="company", name=slug)
    with tenant_scope(tenant.key):
        services.members.leave(user_id=person.id)
    messages.success(request, f"You have left {tenant.name or slug}.")
    return redirect("accounts:account")


def _page(request: HttpRequest, status: int = 0, **bound: Form) -> HttpResponse:
    person = _person(request)
    entries = queries.list_tenants_of(user_id=person.id)
    context: dict[str, Any] = {
        "person": person,
        "name_form": NameForm(initial={"name": person.name}),
        "password_form": PasswordForm(),
        "rows": [{"tenant": tenant, "role": seat.role} for tenant, seat in entries],
        "log_ins": _log_ins(request, person),
        **bound,
    }
    return render(request, "accounts/account.html", context, status=status or (422 if bound else 200))


def _refused(request: HttpRequest, error: AppError, **bound: Form) -> HttpResponse:
    for form in bound.values():
        note(form, error)
    return with_wait(_page(request, problems.STATUS[error.kind], **bound), error)


def _log_ins(request: HttpRequest, person: User) -> list[dict[str, Any]]:
    return [
        {
            "id": public_id("ses", log_in.id),
            "log_in": log_in,
            "browser": browsers.in_words(log_in.user_agent),
            "this": log_in.session_key == request.session.session_key,
        }
        for log_in in queries.list_log_ins(user_id=person.id)
    ]


def _person(request: HttpRequest) -> User:
    return cast("User", request.user)
