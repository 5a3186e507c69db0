"""The pages of sources: where rows are fetched from, by hand or on a schedule."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.permissions import require
from apps.core.errors import AppError
from apps.core.ids import parse_public_id, public_id
from apps.datasets import queries, services, sources
from apps.datasets.forms import SourceForm


@require_http_methods(["GET", "POST"])
@require("datasets:write")
def source_list(request: HttpRequest) -> HttpResponse:
    """All sources, and a form for another of a kind (``?kind=``)."""
    asked = request.POST.get("kind") or request.GET.get("kind", "https")
    kind = asked if asked in sources.KINDS else "https"
    form = SourceForm(kind, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            source = services.create_source(kind=kind, **form.settings())
        except AppError as refused:
            form.add_error(None, refused.detail)
        else:
            job = services.fetch_source(source_id=source.id)
            messages.success(request, f"“{source.name}” is noted; the first fetch is under way.")
            return redirect("jobs:detail", public_id("job", job.id))
    context = {
        "sources": queries.list_sources(),
        "kinds": [(name, sources.get(name).TITLE) for name in sources.KINDS],
        "kind": kind,
        "form": form,
    }
    return render(request, "datasets/sources.html", context, status=422 if form.errors else 200)


@require_POST
@require("datasets:write")
def fetch(request: HttpRequest, source_id: str) -> HttpResponse:
    """Fetch now."""
    job = services.fetch_source(source_id=parse_public_id("src", source_id))
    return redirect("jobs:detail", public_id("job", job.id))


@require_POST
@require("datasets:write")
def delete(request: HttpRequest, source_id: str) -> HttpResponse:
    """Fetch no more."""
    services.delete_source(source_id=parse_public_id("src", source_id))
    messages.success(request, "The source is gone; what was fetched stays.")
    return redirect("datasets:sources")
