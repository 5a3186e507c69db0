"""The pages of an upload: send a file, wait while it is read, check the columns, accept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from apps.accounts.permissions import require
from apps.core.admission import takes_uploads
from apps.core.errors import AppError
from apps.core.ids import parse_public_id, public_id
from apps.datasets import admission, queries, services
from apps.datasets.doctor import catalogue
from apps.datasets.errors import NameTaken, refusal_of
from apps.datasets.forms import CHOICE_PREFIX, MappingForm, NameForm, UploadForm, mapping_of
from apps.datasets.models import Upload, UploadState
from apps.datasets.reading.contracts import ColumnMapping, Reading
from apps.datasets.views import doctor
from apps.datasets.views.frame import history_chart
from apps.jobs import queries as jobs
from apps.jobs.models import Job

PREVIEW_COLUMNS = 30


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
    waiting = list(queries.list_uploads()[:5])
    context = {"form": form, "max_bytes": settings.MAX_UPLOAD_BYTES, "error": error, "waiting": waiting}
    return render(request, "datasets/new.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "POST"])
@require("datasets:write")
def upload_page(request: HttpRequest, upload_id: str) -> HttpResponse:
    """Check what was read, try other mappings (GET with the form's values), accept (POST)."""
    upload = queries.get_upload(upload_id=parse_public_id("up", upload_id))
    if upload.dataset is not None:
        return redirect("datasets:detail", upload.dataset.slug)
    if upload.state in (UploadState.READING, UploadState.ANNOUNCED):
        return render(request, "datasets/reading.html", {"upload": upload, "job": _job(upload)})
    if request.method == "POST":
        return _accept(request, upload)
    name = NameForm(initial={"name": request.GET.get("name") or _name_of(upload)})
    return _upload_page(request, upload, name, _reading(request, upload))


def _accept(request: HttpRequest, upload: Upload) -> HttpResponse:
    mapping, rule = asked_mapping(request.POST, upload), request.POST.get("gap_rule", "")
    form = NameForm(request.POST)
    error: AppError | None = None
    if form.is_valid():
        name, frequency = form.cleaned_data["name"], request.POST.get("frequency", "")
        gap_rule = rule if rule in catalogue.gap_rules() else None
        try:
            if services.is_large(upload) and mapping != queries.mapping_of(upload):
                job = services.create_from_file(
                    upload=upload, name=name, mapping=mapping, gap_rule=gap_rule, frequency=frequency
                )
                return redirect("jobs:detail", public_id("job", job.id))
            dataset = services.accept_upload(
                upload_id=upload.id,
                name=name,
                mapping=mapping,
                gap_rule=gap_rule,
                frequency=frequency,
                steps=doctor.chosen_steps(request.POST, Reading.from_json(upload.reading).findings),
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


def _job(upload: Upload) -> Job | None:
    return jobs.get_job(job_id=upload.job_id) if upload.job_id else None


def _reading(request: HttpRequest, upload: Upload) -> Reading:
    if services.is_large(upload):  # read anew under another mapping only when it is accepted
        return Reading.from_json(upload.reading)
    asked = "time" in request.GET or any(name.startswith(CHOICE_PREFIX) for name in request.GET)
    return (
        services.preview(upload=upload, mapping=asked_mapping(request.GET, upload))
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
        "form": MappingForm(reading, gap_rule=rule if rule in catalogue.gap_rules() else ""),
        "questions": reading.questions,
        "preview": _preview(reading),
        "said": reading.said,
        "chart": history_chart(
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
    shown = reading.columns[: len(reading.preview[0]) if reading.preview else PREVIEW_COLUMNS]
    return {
        "columns": [column.name for column in shown],
        "parts": [_part(column.name, mapping) for column in shown],
        "more_columns": max(len(reading.columns) - len(shown), 0),
        "rows": reading.preview,
        "row_count": reading.file_rows,
        "series_count": table.series_count if table else None,
        "first_ds": table.first_ds if table else None,
        "last_ds": table.last_ds if table else None,
        "frequency": table.frequency if table else None,
        "findings": doctor.shown_findings([services.finding_json(each) for each in reading.findings]),
    }


def _part(name: str, mapping: ColumnMapping) -> str:
    parts = {
        mapping.time: "time",
        mapping.value: "value",
        mapping.known_at: "known since",
        **dict.fromkeys(mapping.series, "series"),
        **dict.fromkeys(mapping.covariates, "known ahead"),
        **dict.fromkeys(mapping.past, "known up to now"),
        **dict.fromkeys(mapping.static, "attribute"),
        **dict.fromkeys(mapping.values, "time" if mapping.layout == "across" else "series"),
    }
    return parts.get(name, "")


def _name_of(upload: Upload) -> str:
    words = PurePath(upload.filename).stem.replace("_", " ").replace("-", " ").strip()
    return (words[:1].upper() + words[1:])[:120]


def asked_mapping(data: Any, upload: Upload) -> ColumnMapping:
    """The mapping of a form; the columns of a wide file, too many for fields, are those that were guessed, or all others."""
    mapping = mapping_of(data)
    if mapping.layout == "long":
        return mapping
    guessed = queries.mapping_of(upload)
    if guessed and guessed.layout == mapping.layout:
        hierarchy = tuple(name for name in guessed.hierarchy if name in mapping.static)
        used = {mapping.time, *mapping.series, *mapping.static}
        values = tuple(name for name in guessed.values if name not in used)
        return replace(mapping, value="", covariates=(), past=(), values=values, hierarchy=hierarchy)
    names = [column["name"] for column in upload.reading.get("columns", ())]
    used = {mapping.time, *mapping.series}
    return replace(
        mapping, value="", covariates=(), past=(), values=tuple(name for name in names if name not in used)
    )
