"""The page 'API keys': list, make (shown once), change, rotate, revoke."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from apps.accounts import queries as accounts
from apps.accounts.http import TenantRequest
from apps.accounts.permissions import require
from apps.api_keys import ceilings, consumption, queries, services
from apps.api_keys.ceilings import Ceiling
from apps.api_keys.errors import KeyEnded, KeyNotMade, KeyNotYours
from apps.api_keys.forms import KeyForm, RotateForm, SettingsForm
from apps.core.ids import parse_public_id, public_id

PAGE = 50


@never_cache
@require_GET
@require("keys:manage")
def key_list(request: HttpRequest) -> HttpResponse:
    """The tenant's keys and the form for a new one."""
    return _page(cast("TenantRequest", request), None, 200)


@never_cache
@require_POST
@require("keys:manage")
def create(request: HttpRequest) -> HttpResponse:
    """Make a key and show its text: the answer to this request is the only place where it ever stands."""
    page = cast("TenantRequest", request)
    form = KeyForm(request.POST, allowed=page.permissions)
    if not form.is_valid():
        return _page(page, form, 422)
    try:
        key, text = services.create(**form.wishes(), ceiling=_ceiling(page))
    except KeyNotMade as error:
        _at_field(form, error)
        return _page(page, form, 422)
    return _shown_once(request, key, text)


@never_cache
@require_GET
@require("keys:manage")
def detail(request: HttpRequest, key_id: str) -> HttpResponse:
    """One key: what it is, what it used, and the form to change it."""
    return _detail(cast("TenantRequest", request), key_id, None, 200)


@never_cache
@require_POST
@require("keys:manage")
def change(request: HttpRequest, key_id: str) -> HttpResponse:
    """Change name, networks, rate or budget."""
    page, form = cast("TenantRequest", request), SettingsForm(request.POST)
    if not form.is_valid():
        return _detail(page, key_id, form, 422)
    try:
        key = services.change(
            key_id=parse_public_id("key", key_id), ceiling=_ceiling(page), **form.cleaned_data
        )
    except KeyNotMade as error:
        _at_field(form, error)
        return _detail(page, key_id, form, 422)
    messages.success(request, f"The key “{key.name}” is changed. That takes effect within a second.")
    return redirect("api_keys:detail", key_id=key_id)


@never_cache
@require_POST
@require("keys:manage")
def rotate(request: HttpRequest, key_id: str) -> HttpResponse:
    """A new text under the same settings, shown once."""
    form, old_id = RotateForm(request.POST), parse_public_id("key", key_id)
    if not form.is_valid():
        return _detail(cast("TenantRequest", request), key_id, None, 422)
    try:
        key, text = services.rotate(
            key_id=old_id, ceiling=_ceiling(cast("TenantRequest", request)), overlap=form.overlap_time()
        )
    except (KeyEnded, KeyNotMade, KeyNotYours) as error:
        messages.error(request, error.detail)
        return redirect("api_keys:detail", key_id=key_id)
    return _shown_once(request, key, text, old=queries.get_key(key_id=old_id))


@require_POST
@require("keys:manage")
def revoke(request: HttpRequest, key_id: str) -> HttpResponse:
    """End a key at once."""
    key = services.revoke(key_id=parse_public_id("key", key_id))
    messages.success(request, f"The key “{key.name}” is revoked. Calls with it are refused from now on.")
    return redirect("api_keys:list")


def curl(request: HttpRequest, text: str) -> str:
    """A command that works as it stands: it asks the API what the key is."""
    port = split_domain_port(request.get_host())[1]
    base = f"{request.scheme}://{settings.BASE_DOMAIN}{f':{port}' if port else ''}"
    return f'curl {base}/v1/key -H "Authorization: Bearer {text}"'


def _shown_once(request: HttpRequest, key: Any, text: str, old: Any = None) -> HttpResponse:
    context = {"key": key, "text": text, "old": old, "curl": curl(request, text)}
    return render(request, "api_keys/created.html", context, status=201)


def _page(request: TenantRequest, form: KeyForm | None, status: int) -> HttpResponse:
    shown, search = request.GET.get("state", ""), request.GET.get("search", "").replace("\0", "").strip()[:80]
    found = queries.list_keys(shown=shown, search=search)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    context = {
        "rows": _rows([*page.object_list]),
        "page": page,
        "state": shown if shown in queries.SHOWN else "",
        "search": search,
        "form": form or KeyForm(allowed=request.permissions),
    }
    return render(request, "api_keys/list.html", context, status=status)


def _rows(keys: list[Any]) -> list[dict[str, Any]]:
    people = accounts.emails_of(
        user_ids={each for key in keys for each in (key.created_by, key.owner_id) if each}
    )
    return [
        {
            "key": key,
            "id": public_id("key", key.id),
            "created_by": people.get(key.created_by, ""),
            "owner": people.get(key.owner_id, "a former member") if key.owner_id else "",
        }
        for key in keys
    ]


def _detail(request: TenantRequest, key_id: str, form: SettingsForm | None, status: int) -> HttpResponse:
    key = queries.get_key(key_id=parse_public_id("key", key_id))
    (row,) = _rows([key])
    mine = key.owner_id is None or key.owner_id == request.user.id
    initial = {
        "name": key.name,
        "networks": "\n".join(key.networks),
        "requests_per_minute": key.requests_per_minute,
        "points_per_month": key.points_per_month,
    }
    context = {
        **row,
        "form": (form or SettingsForm(initial=initial)) if mine and key.state == "active" else None,
        "rotate_form": RotateForm(),
        "used": consumption.used_this_month([key.counter_id])[key.counter_id],
        "replaced_by": public_id("key", key.replaced_by) if key.replaced_by else "",
    }
    return render(request, "api_keys/detail.html", context, status=status)


def _ceiling(request: TenantRequest) -> Ceiling:
    return ceilings.of_person(
        request.permissions, person_id=request.user.id, membership_id=request.membership.id
    )


def _at_field(form: Form, error: KeyNotMade) -> None:
    field = "expires" if error.field == "expires_at" else error.field
    form.add_error(field if field in form.fields else None, error.detail)
