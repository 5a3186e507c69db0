"""The audit log's page, and the files taken from it."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from apps.accounts.permissions import require
from apps.audit import queries
from apps.audit.errors import InvalidFilter
from apps.audit.models import AuditEvent
from apps.audit.queries import Filter
from apps.core.scope import current_tenant
from apps.dashboard import audit_reading
from apps.dashboard.audit_reading import CONTENT_TYPES, Format
from tenants.context import tenant_scope

PAGE = 50


@require_GET
@require("audit:read")
def audit_list(request: HttpRequest) -> HttpResponse:
    """The audit log, newest first, narrowed by the address's parameters; those that cannot be meant are told."""
    problem = ""
    try:
        wanted = audit_reading.filter_of(request.GET)
    except InvalidFilter as error:
        wanted, problem = Filter(), error.detail
    page = Paginator(queries.list_events(wanted), PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": [_row(event) for event in page],
        "wanted": wanted,
        "asked": request.GET,
        "problem": problem,
        "actions": queries.list_actions(),
        "actor_types": queries.ACTOR_TYPES,
        "outcomes": queries.OUTCOMES,
        "chain": queries.chain_state(),
        "is_narrowed": bool(wanted.given),
    }
    return render(request, "dashboard/audit.html", context)


@require_GET
@require("audit:read")
def export(request: HttpRequest) -> StreamingHttpResponse:
    """What the page's filter shows, as CSV or NDJSON, sent while it is read."""
    form = request.GET.get("format", "csv")
    if form not in CONTENT_TYPES:
        raise InvalidFilter(name="format", wanted="csv or ndjson")
    return as_file(audit_reading.filter_of(request.GET), form)


def as_file(wanted: Filter, form: Format) -> StreamingHttpResponse:
    """A download of the tenant in scope."""
    key = current_tenant()
    pieces = audit_reading.export(wanted, form, lambda: tenant_scope(key))
    response = StreamingHttpResponse(pieces, content_type=CONTENT_TYPES[form])
    name = f"audit-{timezone.now():%Y-%m-%d}.{form}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def _row(event: AuditEvent) -> dict[str, Any]:
    who = event.actor_label or ("(erased)" if event.is_erased else event.actor_type)
    changes = readable(event.changes)
    return {
        "event": event,
        "who": who,
        "changes": changes,
        "has_before": any(change["before"] for change in changes),
        "details": event.about_people.get("details", {}),
    }


def readable(changes: Any) -> list[dict[str, str]]:
    """Each changed thing with its value before and after, as text; a value that is no pair has only 'after'.

    Use cases write either ``{"before": {…}, "after": {…}}`` or plain values.
    """
    if not isinstance(changes, dict):
        return [{"name": "value", "before": "", "after": _text(changes)}]
    rows = []
    before, after = changes.get("before"), changes.get("after")
    if isinstance(before, dict) and isinstance(after, dict):
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        rows = [_pair(name, before.get(name), after.get(name)) for name in names]
    elif {"before", "after"} & changes.keys():
        rows = [_pair("value", before, after)]
    rest = {name: value for name, value in changes.items() if name not in ("before", "after")}
    return rows + [
        {"name": _words(name), "before": "", "after": _text(value)} for name, value in rest.items()
    ]


def _pair(name: str, before: Any, after: Any) -> dict[str, str]:
    return {"name": _words(name), "before": _text(before), "after": _text(after)}


def _words(name: str) -> str:
    return name.replace("_", " ")


def _text(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, dict):
        return ", ".join(f"{_words(str(name))}: {_text(inner)}" for name, inner in value.items()) or "–"
    if isinstance(value, list):
        return ", ".join(_text(inner) for inner in value) or "–"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
