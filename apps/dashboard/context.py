"""What ``templates/shell.html`` draws around every page of a tenant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject

from apps.accounts import hosts
from apps.accounts import queries as accounts
from apps.accounts.http import TenantRequest
from apps.core.scope import SystemRole
from apps.usage import queries as usage
from tenants import queries as tenants
from tenants.context import system_scope


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the side navigation: shown to roles that have ``permission``."""

    label: str
    url_name: str
    icon: str
    permission: str
    group: str = ""


NAVIGATION: Final = (
    Entry("Overview", "dashboard:overview", "overview", "tenant:read"),
    Entry("Data sets", "datasets:list", "datasets", "datasets:read", "Forecasting"),
    Entry("Models", "registry:list", "models", "models:read", "Forecasting"),
    Entry("Forecasts", "forecasts:list", "forecasts", "forecasts:read", "Forecasting"),
    Entry("Jobs", "jobs:list", "jobs", "jobs:read", "Forecasting"),
    Entry("API keys", "api_keys:list", "keys", "keys:manage", "Company"),
    Entry("Webhooks", "webhooks:list", "webhooks", "webhooks:manage", "Company"),
    Entry("Usage", "usage:overview", "usage", "usage:read", "Company"),
    Entry("Plan", "billing:plan", "plan", "billing:read", "Company"),
    Entry("Audit log", "audit:list", "audit", "audit:read", "Company"),
    Entry("Members", "members:list", "members", "members:read", "Company"),
    Entry("Settings", "settings:overview", "settings", "tenant:manage", "Company"),
)
SECTIONS: Final = {"/training/": "/datasets/", "/explanations/": "/forecasts/"}


def shell(request: HttpRequest) -> dict[str, Any]:
    """``shell`` for requests of a tenant's members, nothing for others; queried only when drawn."""
    if getattr(request, "membership", None) is None:
        return {}
    return {"shell": SimpleLazyObject(lambda: _shell(cast("TenantRequest", request)))}


def _shell(request: TenantRequest) -> dict[str, Any]:
    quota = usage.get_quota()
    plan_url = _plan_url(request)
    return {
        "tenant_name": request.tenant.name,
        "slug": request.tenant.slug,
        "plan": tenants.get_limits(tenant_id=request.tenant.id).plan.capitalize(),
        "role": request.membership.role,
        "user_email": request.user.email,
        "nav": navigation(request.path, request.permissions),
        "quota": quota,
        "banner": banner(quota, plan_url),
        "plan_url": plan_url,
        "tenants_url": hosts.bare_url(request, "/tenants/", all="1"),
        "account_url": hosts.bare_url(request, "/account/"),
        "tenants": choices(request),
    }


def choices(request: TenantRequest) -> list[dict[str, Any]]:
    """The person's tenants with their roles, for the switcher; memberships elsewhere are the edge's to read."""
    with system_scope(SystemRole.EDGE):
        mine = accounts.list_choices_of(user_id=request.user.id)
    return [
        {
            "name": tenant.name or tenant.slug,
            "role": tenant.role,
            "url": hosts.bare_url(request, f"/enter/{tenant.slug}/"),
            "here": tenant.id == request.tenant.id,
        }
        for tenant in mine
    ]


def navigation(path: str, permissions: frozenset[str]) -> list[dict[str, Any]]:
    """The entries that these permissions open, the one that ``path`` lies under marked active."""
    entries = [(entry, address(entry.url_name)) for entry in NAVIGATION if entry.permission in permissions]
    here = _section(path)
    return [
        {"label": entry.label, "icon": entry.icon, "group": entry.group, "url": url, "active": url == here}
        for entry, url in entries
        if url
    ]


def banner(quota: usage.Quota, plan_url: str) -> dict[str, str] | None:
    """The line above a page when the month's points run out, or have."""
    if quota.state == "ok":
        return None
    action = {"url": plan_url, "action": "See the plans"}
    if quota.state == "hard_exceeded":
        text = "This month's forecast points are used up: further calls are refused."
        return {"level": "error", "text": text, **action}
    return {
        "level": "warning",
        "text": f"{quota.share:.0%} of this month's forecast points are used.",
        **action,
    }


def address(url_name: str, *arguments: str) -> str:
    """The path of a page, or '' where the part that would serve it is left out (billing may be)."""
    try:
        return reverse(url_name, args=arguments)
    except NoReverseMatch:
        return ""


def _plan_url(request: TenantRequest) -> str:
    return address("billing:plan") if "billing:read" in request.permissions else ""


def _section(path: str) -> str:
    first = f"/{path.strip('/').split('/')[0]}/" if path != "/" else "/"
    return SECTIONS.get(first, first)
