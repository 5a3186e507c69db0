"""The pages of data sets: list, upload, check the columns, one data set."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.http import TenantRequest
from apps.accounts.permissions import require
from apps.core.admission import takes_uploads
from apps.core.errors import AppError
from apps.core.ids import parse_public_id
from apps.datasets import admission, panels, queries, services
from apps.datasets.demo import sample_csv as sample
from apps.datasets.errors import NameTaken, refusal_of
from apps.datasets.forms import CHOICE_PREFIX, MappingForm, NameForm, UploadForm, mapping_of
from apps.datasets.models import Upload
from apps.datasets.reading.contracts import ColumnMapping, Reading

PER_PAGE = 50


@require_GET
@require("datasets:read")
def dataset_list(request: HttpRequest) -> HttpResponse:
    """The tenant's data sets."""
    page = Paginator(queries.list_datasets(), PER_PAGE).get_page(request.GET.get("page"))
    for dataset in page.object_list:
        dataset.latest = queries.latest_of(dataset)  # type: ignore[attr-defined]
    return render(request, "datasets/list.html", {"page": page, "can_write": _may(request, "datasets:write")})


@takes_uploads(POST=admission.new_dataset)
@require_http_methods(["GET", "POST"])
@require("datasets:write")
def new(request: HttpRequest) -> HttpResponse:
    """Upload a file; what was read is shown on the next page before anything is accepted."""
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    error: AppError | None = None
    if form.is_bound and form.is_valid():
        file = cast("UploadedFile[bytes]", form.cleaned_data["file"])
        try:
            upload = services.receive_upload(filename=file.name or "", stream=cast("Any", file))
        except AppError as refused:
            error = refused
        else:
            return redirect("datasets:upload", upload.public_id)
    context = {"form": form, "max_bytes": settings.MAX_UPLOAD_BYTES, "error": error}
    return render(request, "datasets/new.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "POST"])
@require("datasets:write")
def upload_page(request: HttpRequest, upload_id: str) -> HttpResponse:
    """Check what was read, try other mappings (GET with the form's values), accept (POST)."""
    upload = queries.get_upload(upload_id=parse_public_id("up", upload_id))
    if upload.dataset is not None:
        return redirect("datasets:detail", upload.dataset.slug)
    if request.method == "POST":
        return _accept(request, upload)
    name = NameForm(initial={"name": request.GET.get("name") or _name_of(upload)})
    return _upload_page(request, upload, name, _reading(request, upload))


@require_GET
@require("datasets:read")
def detail(request: HttpRequest, slug: str) -> HttpResponse:
    """One data set: its newest version, what the check found, and what other apps add."""
    dataset = queries.get_dataset(slug=slug)
    version = queries.get_current_version(dataset=dataset)
    context = {
        "dataset": dataset,
        "version": version,
        "versions": list(queries.list_versions(dataset=dataset)),
        "chart": _chart(version.samples),
        "gap_rule": _gap_words(version.columns),
        "can_train": False,
        **panels.context(request, dataset, version),
    }
    return render(request, "datasets/detail.html", context)


@require_POST
@require("datasets:write")
def load_demo(request: HttpRequest) -> HttpResponse:
    """Make a demo data set and show it."""
    dataset = services.load_demo(name=request.POST.get("name", ""))
    messages.success(request, f"“{dataset.name}” is ready.")
    return redirect("datasets:detail", dataset.slug)


@require_GET
@require("datasets:read")
def sample_csv(request: HttpRequest) -> HttpResponse:
    """A small generated CSV to start from."""
    response = HttpResponse(sample.sample_csv(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{sample.FILENAME}"'
    return response


def _accept(request: HttpRequest, upload: Upload) -> HttpResponse:
    mapping, rule = mapping_of(request.POST), request.POST.get("gap_rule", "")
    form = NameForm(request.POST)
    error: AppError | None = None
    if form.is_valid():
        try:
            dataset = services.accept_upload(
                upload_id=upload.id,
                name=form.cleaned_data["name"],
                mapping=mapping,
                gap_rule=rule if rule in services.GAP_RULES else None,
            )
        except NameTaken as taken:
            form.add_error("name", taken.detail)
        except AppError as refused:
            error = refused
        else:
            messages.success(request, f"“{dataset.name}” is accepted. Nothing in it was changed.")
            return redirect("datasets:detail", dataset.slug)
    reading = services.preview(upload=upload, mapping=mapping)
    return _upload_page(request, upload, form, reading, error=error, status=422)


def _reading(request: HttpRequest, upload: Upload) -> Reading:
    asked = "time" in request.GET or any(name.startswith(CHOICE_PREFIX) for name in request.GET)
    return (
        services.preview(upload=upload, mapping=mapping_of(request.GET))
        if asked
        else Reading.from_json(upload.reading)
    )


def _upload_page(
    request: HttpRequest,
    upload: Upload,
    name: NameForm,
    reading: Reading,
    *,
    error: AppError | None = None,
    status: int = 200,
) -> HttpResponse:
    rule = (request.POST or request.GET).get("gap_rule", "")
    if error is None and reading.state == "refused":
        error = refusal_of(reading)
    context = {
        "upload": upload,
        "name_form": name,
        "form": MappingForm(reading, gap_rule=rule if rule in services.GAP_RULES else ""),
        "questions": reading.questions,
        "preview": _preview(reading),
        "said": reading.said,
        "chart": _chart(
            [{"series_id": item.series_id, "ds": item.ds, "y": item.y} for item in reading.samples]
        ),
        "error": error,
        "ready": reading.state == "readable",
    }
    return render(request, "datasets/upload.html", context, status=status)


def _preview(reading: Reading) -> dict[str, Any] | None:
    if not reading.columns:
        return None
    table = reading.table
    mapping = reading.mapping or ColumnMapping("", "")
    return {
        "columns": [column.name for column in reading.columns],
        "parts": [_part(column.name, mapping) for column in reading.columns],
        "rows": reading.preview,
        "row_count": reading.file_rows,
        "series_count": table.series_count if table else None,
        "first_ds": table.first_ds if table else None,
        "last_ds": table.last_ds if table else None,
        "frequency": table.frequency if table else None,
        "findings": [services.finding_json(finding) for finding in reading.findings],
    }


def _part(name: str, mapping: ColumnMapping) -> str:
    if name == mapping.time:
        return "time"
    if name == mapping.value:
        return "value"
    if name in mapping.series:
        return "series"
    return "also used" if name in mapping.covariates else ""


def _chart(samples: list[dict[str, Any]]) -> dict[str, Any] | None:
    if not samples:
        return None
    return {"series": [{"id": item["series_id"], "ds": item["ds"], "y": item["y"]} for item in samples]}


def _gap_words(columns: dict[str, Any]) -> str:
    """How training fills missing steps, in words; empty when there are none."""
    words = {
        "season": "the value one season earlier",
        "previous": "the last value before the gap",
        "zero": "zero",
    }
    return words[columns["gap_rule"]] if columns.get("missing_steps") else ""


def _name_of(upload: Upload) -> str:
    words = PurePath(upload.filename).stem.replace("_", " ").replace("-", " ").strip()
    return (words[:1].upper() + words[1:])[:120]


def _may(request: HttpRequest, permission: str) -> bool:
    return permission in cast("TenantRequest", request).permissions
