"""The pages of data sets: the list, one data set, its settings and its end, demos."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.permissions import require
from apps.core.errors import AppError
from apps.datasets import lineage, panels, queries, services
from apps.datasets.demo import sample_csv as sample
from apps.datasets.doctor import catalogue
from apps.datasets.forms import SettingsForm
from apps.datasets.models import DatasetVersion
from apps.datasets.views.frame import history_chart, may, page_of

PER_PAGE = 50


@require_GET
@require("datasets:read")
def dataset_list(request: HttpRequest) -> HttpResponse:
    """The tenant's data sets."""
    page = Paginator(queries.list_datasets(), PER_PAGE).get_page(request.GET.get("page"))
    for dataset in page.object_list:
        dataset.latest = queries.latest_of(dataset)  # type: ignore[attr-defined]
    return render(request, "datasets/list.html", {"page": page, "can_write": may(request, "datasets:write")})


@require_GET
@require("datasets:read")
def detail(request: HttpRequest, slug: str) -> HttpResponse:
    """One data set: its newest version, what the check found, and what other apps add."""
    dataset = queries.get_dataset(slug=slug)
    version = queries.get_current_version(dataset=dataset)
    context = {
        **page_of(request, dataset, version, "overview"),
        "chart": history_chart(version.samples),
        "steps": [catalogue.describe(step) for step in queries.steps_of(version)],
        "gap_rule": _gap_words(version),
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


@require_http_methods(["GET", "POST"])
@require("datasets:write")
def settings_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Name, description, how long versions are kept, and what new versions are expected to be."""
    dataset = queries.get_dataset(slug=slug)
    form = SettingsForm(
        request.POST if request.method == "POST" else None, initial=SettingsForm.initial_of(dataset)
    )
    if form.is_bound and form.is_valid():
        try:
            services.change_settings(slug=slug, changes=form.settings())
            services.state_expectations(slug=slug, stated=form.cleaned_data["expectations"])
        except AppError as refused:
            form.add_error("expectations" if refused.code == "expectations_invalid" else None, refused.detail)
        else:
            messages.success(request, "The settings are saved.")
            return redirect("datasets:settings", slug)
    version = queries.get_current_version(dataset=dataset)
    context = {
        **page_of(request, dataset, version, "settings"),
        "form": form,
        "results": version.expected,
        "users": lineage.users_of(dataset)[:5],
    }
    return render(request, "datasets/settings.html", context, status=422 if form.errors else 200)


@require_POST
@require("datasets:write")
def delete(request: HttpRequest, slug: str) -> HttpResponse:
    """Delete the data set whose name was typed."""
    dataset = queries.get_dataset(slug=slug)
    if request.POST.get("typed", "").strip() != dataset.name:
        messages.error(request, "Nothing was deleted: type the data set’s name exactly.")
        return redirect("datasets:settings", slug)
    try:
        services.delete_dataset(slug=slug)
    except AppError as refused:
        messages.error(request, refused.detail)
        return redirect("datasets:settings", slug)
    messages.success(request, f"“{dataset.name}” is deleted.")
    return redirect("datasets:list")


def _gap_words(version: DatasetVersion) -> str:
    """How training fills missing steps, in words; empty when there are none."""
    if not version.columns.get("missing_steps"):
        return ""
    rules = [step.fix for step in queries.steps_of(version) if step.code == "gaps"]
    rule = rules[-1] if rules else str(version.columns.get("gap_rule") or "season")
    return catalogue.GAP_RULES[rule]
