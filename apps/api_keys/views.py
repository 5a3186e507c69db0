"""The page 'API keys': list, make (shown once), revoke."""

from __future__ import annotations

from typing import cast

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from apps.accounts import queries as accounts
from apps.accounts.http import TenantRequest
from apps.accounts.permissions import require
from apps.api_keys import queries, services
from apps.api_keys.errors import KeyNotMade
from apps.api_keys.forms import KeyForm
from apps.core.ids import parse_public_id, public_id


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
        key, text = services.create(
            name=form.cleaned_data["name"],
            scopes=form.cleaned_data["scopes"],
            expires_at=form.expires_at(),
            created_by=page.user.id,
            ceiling=page.permissions,
        )
    except KeyNotMade as error:
        form.add_error(error.field, error.detail)
        return _page(page, form, 422)
    return render(
        request, "api_keys/created.html", {"key": key, "text": text, "curl": curl(request, text)}, status=201
    )


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


def _page(request: TenantRequest, form: KeyForm | None, status: int) -> HttpResponse:
    keys = list(queries.list_keys())
    people = accounts.emails_of(user_ids={key.created_by for key in keys if key.created_by})
    rows = [
        {
            "key": key,
            "id": public_id("key", key.id),
            "created_by": people.get(key.created_by, "") if key.created_by else "",
        }
        for key in keys
    ]
    context = {"rows": rows, "form": form or KeyForm(allowed=request.permissions)}
    return render(request, "api_keys/list.html", context, status=status)
