"""The page 'Company settings' on a tenant's host, for owners: name and address, hand over, leave, delete, keep."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST

from apps.accounts import hosts, queries
from apps.accounts.forms import DeleteForm, HandOverForm, RenameForm
from apps.accounts.http import TenantRequest
from apps.accounts.permissions import Role, require
from apps.accounts.services import companies
from apps.accounts.views.forms import note, with_wait
from apps.core import problems
from apps.core.errors import AppError
from apps.core.ids import parse_public_id, public_id
from tenants.lifecycle import GRACE_DAYS


@never_cache
@require_GET
@require("tenant:manage")
def overview(request: HttpRequest) -> HttpResponse:
    """The forms."""
    return _page(cast("TenantRequest", request))


@never_cache
@require_POST
@require("tenant:manage")
def rename(request: HttpRequest) -> HttpResponse:
    """Another name or address; goes on at the new address."""
    page, form = cast("TenantRequest", request), RenameForm(request.POST)
    if not form.is_valid():
        return _page(page, rename=form)
    data = form.cleaned_data
    before = page.tenant.slug
    try:
        tenant = companies.rename(tenant=page.tenant, name=data["company"], address=data["address"])
    except AppError as error:
        return _refused(page, error, rename=form)
    if tenant.slug == before:
        messages.success(request, "Saved.")
    return redirect(hosts.tenant_url(request, tenant, "/settings/"))


@never_cache
@sensitive_post_parameters("password")
@require_POST
@require("tenant:manage")
def hand_over(request: HttpRequest) -> HttpResponse:
    """Make a member an owner."""
    page = cast("TenantRequest", request)
    form = HandOverForm(request.POST, members=_heirs(page))
    if not form.is_valid():
        return _page(page, hand_over=form)
    data = form.cleaned_data
    try:
        heir = companies.hand_over(
            tenant=page.tenant,
            owner=page.user,
            password=data["password"],
            member_id=parse_public_id("mem", data["member"]),
            stay_owner=data["stay"],
        )
    except AppError as error:
        return _refused(page, error, hand_over=form)
    email = queries.emails_of(user_ids={heir.user_id}).get(heir.user_id, "")
    messages.success(request, f"{email} is an owner now.{'' if data['stay'] else ' You are an admin.'}")
    return redirect("settings:overview" if data["stay"] else "members:list")


@never_cache
@sensitive_post_parameters("password")
@require_POST
@require("tenant:manage")
def delete(request: HttpRequest) -> HttpResponse:
    """Close the company, to be erased after the grace."""
    page, form = cast("TenantRequest", request), DeleteForm(request.POST)
    if not form.is_valid():
        return _page(page, delete=form)
    data = form.cleaned_data
    try:
        companies.delete(tenant=page.tenant, owner=page.user, typed=data["typed"], password=data["password"])
    except AppError as error:
        return _refused(page, error, delete=form)
    return redirect("settings:overview")


@require_POST
@require("tenant:manage")
def keep(request: HttpRequest) -> HttpResponse:
    """Undo the deletion."""
    companies.keep(tenant=cast("TenantRequest", request).tenant)
    messages.success(request, "The deletion is undone. Everything is as it was.")
    return redirect("dashboard:overview")


def _page(request: TenantRequest, status: int = 0, **bound: Form) -> HttpResponse:
    """The page; of the three forms, ``bound`` is the one that was sent."""
    tenant, heirs = request.tenant, _heirs(request)
    context: dict[str, Any] = {
        "rename": RenameForm(initial={"company": tenant.name, "address": tenant.slug}),
        "hand_over": HandOverForm(members=heirs, auto_id="id_hand_over_%s"),
        "delete": DeleteForm(auto_id="id_delete_%s"),
        "heirs": heirs,
        "may_leave": _other_owners(request),
        "tenant": tenant,
        "host_suffix": f".{settings.BASE_DOMAIN}",
        "grace_days": GRACE_DAYS,
        **bound,
    }
    for name, form in bound.items():
        form.auto_id = {"rename": "id_%s"}.get(name, f"id_{name}_%s")
    return render(request, "accounts/settings.html", context, status=status or (422 if bound else 200))


def _refused(request: TenantRequest, error: AppError, **bound: Form) -> HttpResponse:
    for form in bound.values():
        note(form, error)
    return with_wait(_page(request, problems.STATUS[error.kind], **bound), error)


def _heirs(request: TenantRequest) -> list[tuple[str, str]]:
    """Everybody else, as the choice of the next owner."""
    return [
        (public_id("mem", seat.id), f"{person.email} ({seat.role})")
        for person, seat in queries.list_members()
        if person.id != request.user.id
    ]


def _other_owners(request: TenantRequest) -> bool:
    return any(
        seat.role == Role.OWNER and person.id != request.user.id for person, seat in queries.list_members()
    )
