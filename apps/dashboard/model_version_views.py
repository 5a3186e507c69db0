"""Pages of a model's versions: which there are, how two compare, and which of them answers."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.permissions import require
from apps.core.errors import AppError, Forbidden
from apps.registry import dependants, queries, services
from apps.registry.models import Alias, Model, ModelVersion
from apps.training import card, charts, comparing

PAGE = 50


@require_GET
@require("models:read")
def versions(request: HttpRequest, name: str) -> HttpResponse:
    """All versions, newest first, with what they are called."""
    return _versions(request, name, 200)


@require_GET
@require("models:read")
def compare(request: HttpRequest, name: str) -> HttpResponse:
    """Two versions side by side; the champion and what may follow it where none are named."""
    model = queries.get_model(name=name)
    a = request.GET.get("a") or str(Alias.CHAMPION)
    b = request.GET.get("b") or _other(model)
    found = comparing.compare(model_name=name, a=a, b=b)
    context = {
        **found,
        **found["versions"],
        "model": model,
        "all_versions": list(queries.list_versions(model=model)[:PAGE]),
        "params": [{**each, "a": _words(each["a"]), "b": _words(each["b"])} for each in found["params"]],
        "chart": charts.side_by_side(found),
    }
    return render(request, "registry/compare.html", context)


@require_GET
@require("models:read")
def model_card(request: HttpRequest, name: str, ref: str) -> HttpResponse:
    """The card of a version, made to be read and printed."""
    found = card.of(model_name=name, ref=ref)
    context = {
        "card": found,
        "asked": [{"name": key, "value": _words(value)} for key, value in found["asked"].items()],
        "chart": charts.by_step(found["backtest"]),
        "importance": charts.importance(found["importance"]),
    }
    return render(request, "registry/card.html", context)


@require_POST
@require("models:deploy")
def promote(request: HttpRequest, name: str, ref: str) -> HttpResponse:
    """Have the version answer; refused where another one answers than the page showed. One that the gate refused needs
    an owner's reason."""
    expected, override = request.POST.get("expected_champion") or None, None
    if "override_reason" in request.POST:
        override = services.Override(request.POST["override_reason"], _may_override(request))
    try:
        version = services.promote(model_name=name, ref=ref, expected_champion=expected, override=override)
    except Forbidden:
        raise
    except AppError as error:
        return _refused(request, name, error)
    messages.success(request, f"Version {version.semver} answers from now on.")
    return redirect("registry:versions", name=name)


@require_POST
@require("models:deploy")
def roll_back(request: HttpRequest, name: str) -> HttpResponse:
    """Have the version answer that did before."""
    expected = request.POST.get("expected_champion") or None
    try:
        version = services.roll_back(model_name=name, expected_champion=expected)
    except AppError as error:
        return _refused(request, name, error)
    messages.success(request, f"Version {version.semver} answers again.")
    return redirect("registry:versions", name=name)


@require_POST
@require("models:deploy")
def archive(request: HttpRequest, name: str, ref: str) -> HttpResponse:
    """Set the version aside."""
    try:
        version = services.archive(model_name=name, ref=ref)
    except AppError as error:
        return _refused(request, name, error)
    messages.success(request, f"Version {version.semver} is archived.")
    return redirect("registry:versions", name=name)


@require_POST
@require("models:deploy")
def unarchive(request: HttpRequest, name: str, ref: str) -> HttpResponse:
    """Bring the version back."""
    version = services.unarchive(model_name=name, ref=ref)
    messages.success(request, f"Version {version.semver} is back from the archive.")
    return redirect("registry:versions", name=name)


@require_http_methods(["GET", "POST"])
@require("models:deploy")
def delete_version(request: HttpRequest, name: str, ref: str) -> HttpResponse:
    """What hangs on the version, and deleting it."""
    version = queries.resolve(name=name, ref=ref)
    if request.method == "GET":
        context = {"model": version.model, "version": version, "dependants": dependants.describe(version)}
        return render(request, "registry/delete_version.html", context)
    try:
        services.delete_version(model_name=name, ref=ref)
    except AppError as error:
        return _refused(request, name, error)
    messages.success(request, f"Version {version.semver} is deleted.")
    return redirect("registry:versions", name=name)


@require_POST
@require("models:deploy")
def delete_model(request: HttpRequest, name: str) -> HttpResponse:
    """Delete the model with all versions, once its name was typed."""
    model = queries.get_model(name=name)
    if request.POST.get("typed", "").strip() != model.name:
        messages.error(request, "Nothing was deleted: the name that was typed is not the model's.")
        return redirect("registry:versions", name=name)
    try:
        services.delete_model(model_name=name)
    except AppError as error:
        return _refused(request, name, error)
    messages.success(request, f"The model “{name}” is deleted with all its versions.")
    return redirect("registry:list")


def _versions(request: HttpRequest, name: str, status: int) -> HttpResponse:
    model = queries.get_model(name=name)
    page = Paginator(queries.list_versions(model=model), PAGE).get_page(request.GET.get("page"))
    context = {
        "model": model,
        "page": page,
        "rows": [_row(model, version) for version in page.object_list],
        "can_deploy": "models:deploy" in request.permissions,  # type: ignore[attr-defined]
        "can_override": _may_override(request),
        "comparable": page.paginator.count > 1,
        "other": _other(model),
    }
    return render(request, "registry/versions.html", context, status=status)


def _row(model: Model, version: ModelVersion) -> dict[str, Any]:
    aliases = model.aliases_of(version)
    return {"version": version, "aliases": aliases, "serves": Alias.CHAMPION in aliases}


def _words(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list) and all(isinstance(each, str | int | float) for each in value):
        return ", ".join(map(str, value)) or "none"
    return value if isinstance(value, str) else json.dumps(value)


def _may_override(request: HttpRequest) -> bool:
    return services.OVERRIDE in request.permissions  # type: ignore[attr-defined]


def _refused(request: HttpRequest, name: str, error: AppError) -> HttpResponse:
    """The page as it stands by now, with what was in the way."""
    messages.error(request, error.detail)
    return _versions(request, name, 409)


def _other(model: Model) -> str:
    """What one would hold against the champion: the challenger, the previous one, or the newest that does not serve."""
    for alias in (Alias.CHALLENGER, Alias.PREVIOUS):
        if getattr(model, f"{alias}_id") is not None:
            return str(alias)
    rest = [each for each in queries.list_versions(model=model)[:2] if each.id != model.champion_id]
    return str(rest[0].number) if rest else str(Alias.CHAMPION)
