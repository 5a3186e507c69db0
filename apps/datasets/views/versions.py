"""The pages of versions: list, one, what differs, an earlier one again, download; adding data; the lineage."""

from __future__ import annotations

from datetime import UTC
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.permissions import require
from apps.core.admission import takes_uploads
from apps.core.errors import AppError
from apps.core.ids import public_id
from apps.datasets import admission, lineage, queries, services, writing
from apps.datasets.api.points import download as as_file
from apps.datasets.forms import AddForm
from apps.datasets.models import UploadState
from apps.datasets.services.exports import Wish
from apps.datasets.views.frame import page_of
from apps.jobs.models import Job

PER_PAGE = 50


@require_GET
@require("datasets:read")
def version_list(request: HttpRequest, slug: str) -> HttpResponse:
    """All versions, newest first."""
    dataset = queries.get_dataset(slug=slug)
    version = queries.get_current_version(dataset=dataset)
    page = Paginator(queries.list_versions(dataset=dataset), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        **page_of(request, dataset, version, "versions"),
        "page": page,
        "formats": list(writing.FORMATS),
    }
    return render(request, "datasets/versions.html", context)


@require_GET
@require("datasets:read")
def version_page(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """One version: its parts, checks, and what differs since another (``?since=``, the one before)."""
    shown = queries.get_version(slug=slug, number=number)
    since = request.GET.get("since", "")
    older = int(since) if since.isdigit() else number - 1
    difference, error = None, None
    if older >= 1 and older != number:
        try:
            difference = services.diff(older=queries.get_version(slug=slug, number=older), newer=shown)
        except AppError as refused:
            error = refused
    context = {
        **page_of(request, shown.dataset, queries.get_current_version(dataset=shown.dataset), "versions"),
        "shown": shown,
        "parts": shown.parts.select_related("file").order_by("position"),
        "older": older,
        "difference": difference,
        "bars": _bars(difference),
        "error": error,
    }
    return render(request, "datasets/version.html", context)


@require_POST
@require("datasets:write")
def restore(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Bring an earlier version back as the newest."""
    done = services.restore(slug=slug, number=number)
    messages.success(request, f"Version {number} is back, as version {done.version.number}.")
    return redirect("datasets:versions", slug)


@require_GET
@require("datasets:read")
def download(request: HttpRequest, slug: str) -> HttpResponseBase:
    """The points of a version as a file."""
    given = request.GET.get("version", "")
    dataset = queries.get_dataset(slug=slug)
    version = (
        queries.get_version(slug=slug, number=int(given))
        if given.isdigit()
        else queries.get_current_version(dataset=dataset)
    )
    form = request.GET.get("format", "csv")
    moment = parse_datetime(request.GET["as_of"]) if request.GET.get("as_of") else None
    as_of = moment.replace(tzinfo=moment.tzinfo or UTC).isoformat() if moment else None
    wish = Wish(form if form in writing.FORMATS else "csv", as_of, None, "clean" in request.GET)
    made = services.export(version=version, wish=wish)
    if isinstance(made, Job):
        return redirect("jobs:detail", public_id("job", made.id))
    return as_file(made, services.export_filename(version, wish), wish.format)


@takes_uploads(POST=admission.more_rows_of_page)
@require_http_methods(["GET", "POST"])
@require("datasets:write")
def add(request: HttpRequest, slug: str) -> HttpResponse:
    """Add a file's rows to a data set, or replace all of them."""
    dataset = queries.get_dataset(slug=slug)
    form = AddForm(request.POST, request.FILES) if request.method == "POST" else AddForm()
    error: AppError | None = None
    if form.is_bound and form.is_valid():
        file = cast("UploadedFile[bytes]", form.cleaned_data["file"])
        try:
            return _added(request, slug, file, form.cleaned_data["mode"])
        except AppError as refused:
            error = refused
    context = {
        **page_of(request, dataset, queries.get_current_version(dataset=dataset), "versions"),
        "form": form,
        "error": error,
        "max_bytes": settings.MAX_UPLOAD_BYTES,
    }
    return render(request, "datasets/add.html", context, status=422 if form.is_bound else 200)


@require_GET
@require("datasets:read")
def lineage_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Where the newest version came from, and what came of it."""
    dataset = queries.get_dataset(slug=slug)
    version = queries.get_current_version(dataset=dataset)
    graph = lineage.graph(kind=lineage.VERSION, id=version.public_id)
    context = {**page_of(request, dataset, version, "lineage"), "columns": _columns(graph), "cut": graph.cut}
    return render(request, "datasets/lineage.html", context)


def _added(request: HttpRequest, slug: str, file: UploadedFile[bytes], mode: str) -> HttpResponse:
    upload = services.receive_upload(filename=file.name or "", stream=cast("Any", file), into=slug)
    if upload.state == UploadState.READING:
        job = services.add_in_background(slug=slug, upload=upload, mode=mode)
        return redirect("jobs:detail", public_id("job", job.id))
    change = services.replace if mode.startswith("replace") else services.add_file
    more = {"restate": True} if mode == "replace_restate" else {}
    done = change(slug=slug, upload_id=upload.id, **more)
    messages.success(
        request, f"Version {done.version.number}: {done.added:,} rows added, {done.changed:,} changed."
    )
    return redirect("datasets:versions", slug)


def _bars(difference: dict[str, Any] | None) -> dict[str, Any] | None:
    if not difference or not any(difference["totals"].values()):
        return None
    totals = difference["totals"]
    names = ("added", "changed", "removed")
    values = [totals[name] for name in names]
    return {"labels": [name.capitalize() for name in names], "series": [{"name": "Rows", "values": values}]}


def _columns(graph: lineage.Graph) -> list[dict[str, Any]]:
    """The things of each kind, in the order in which they come of each other."""
    order = ("source", "upload", "dataset_version", "training_run", "model_version", "forecast")
    titles = ("Sources", "Uploads", "Versions", "Trainings", "Models", "Forecasts")
    found = [
        {
            "title": title,
            "nodes": [node for node in graph.nodes if node.kind == kind],
            "focus": graph.focus.id,
        }
        for kind, title in zip(order, titles, strict=True)
    ]
    return [column for column in found if column["nodes"]]
