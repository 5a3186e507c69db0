"""Pages of hosted models: the list, bringing one, and one with its versions and a form to ask it."""

from __future__ import annotations

import json
from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.http import TenantRequest
from apps.accounts.permissions import require
from apps.core.addresses import base_url
from apps.core.admission import takes_uploads
from apps.core.errors import AppError, NotFound
from apps.hosting import admission, queries, services
from apps.hosting.forms import BringForm, TryForm
from apps.hosting.models import HostedModel, HostedVersion
from apps.hosting.signature import EXAMPLE


@require_GET
@require("models:read")
def model_list(request: HttpRequest) -> HttpResponse:
    """All hosted models with what answers."""
    context = {"models": queries.list_models(), "can_deploy": _may(request, "models:deploy")}
    return render(request, "hosting/list.html", context)


@takes_uploads(POST=admission.new_model)
@require_http_methods(["GET", "POST"])
@require("models:deploy")
def bring(request: HttpRequest) -> HttpResponse:
    """The form; a file that does not do is told why, and nothing of it is kept."""
    form = BringForm(
        request.POST or None, request.FILES or None, initial={"name": request.GET.get("name", "")}
    )
    error: AppError | None = None
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            version = services.bring(name=given["name"], signature=given["signature"], stream=given["file"])
        except AppError as refused:
            error = refused
        else:
            messages.success(
                request, f"Version {version.number} of “{version.model.name}” passed the sandbox."
            )
            return redirect("hosting:detail", name=version.model.name)
    context = {"form": form, "error": error, "example": json.dumps(EXAMPLE, indent=2)}
    return render(request, "hosting/new.html", context, status=422 if request.method == "POST" else 200)


@require_GET
@require("models:read")
def detail(request: HttpRequest, name: str) -> HttpResponse:
    """One model."""
    return _detail(request, queries.get_model(name=name))


@require_POST
@require("forecasts:run")
def try_it(request: HttpRequest, name: str) -> HttpResponse:
    """The page with the answer to the rows, or with what is wrong with them."""
    model, form = queries.get_model(name=name), TryForm(request.POST)
    if not form.is_valid():
        return _detail(request, model, form=form, status=422)
    user = cast("TenantRequest", request).user
    try:
        answer = services.predict(
            name=name,
            instances=_parsed(form.cleaned_data["instances"]),
            caller=services.Caller(user_id=user.id),
        )
    except NotFound:
        raise
    except AppError as error:
        form.add_error("instances", error.detail)
        return _detail(request, model, form=form, status=422)
    return _detail(request, model, form=form, answer=json.dumps(answer.as_json(), indent=2))


@require_POST
@require("models:deploy")
def promote(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Have the version answer."""
    try:
        services.promote(name=name, number=number)
    except NotFound:
        raise
    except AppError as error:
        return _refused(request, name, error)
    messages.success(request, f"Version {number} answers from now on.")
    return redirect("hosting:detail", name=name)


@require_POST
@require("models:deploy")
def delete_version(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Delete a version that does not answer."""
    try:
        services.delete_version(name=name, number=number)
    except NotFound:
        raise
    except AppError as error:
        return _refused(request, name, error)
    messages.success(request, f"Version {number} is deleted.")
    return redirect("hosting:detail", name=name)


@require_POST
@require("models:deploy")
def delete_model(request: HttpRequest, name: str) -> HttpResponse:
    """Delete the model with all versions, once its name was typed."""
    model = queries.get_model(name=name)
    if request.POST.get("typed", "").strip() != model.name:
        messages.error(request, "Nothing was deleted: the name that was typed is not the model's.")
        return redirect("hosting:detail", name=name)
    services.delete_model(name=name)
    messages.success(request, f"The model “{name}” is deleted with all its versions.")
    return redirect("hosting:list")


def _detail(
    request: HttpRequest,
    model: HostedModel,
    *,
    form: TryForm | None = None,
    answer: str = "",
    status: int = 200,
) -> HttpResponse:
    version = model.champion
    context = {
        "model": model,
        "version": version,
        "versions": queries.list_versions(model=model),
        "form": form or TryForm(initial={"instances": _example(version)}),
        "answer": answer,
        "facts": _facts(version) if version else [],
        "can_deploy": _may(request, "models:deploy"),
        "can_ask": version is not None and _may(request, "forecasts:run"),
        "curl": _curl(request, model.name, _example(version)),
    }
    return render(request, "hosting/detail.html", context, status=status)


def _refused(request: HttpRequest, name: str, error: AppError) -> HttpResponse:
    """The page as it stands by now, with what was in the way."""
    messages.error(request, error.detail)
    return _detail(request, queries.get_model(name=name), status=409)


def _facts(version: HostedVersion) -> list[tuple[str, Any]]:
    signature, trial = version.signature, version.report.get("trial", {})
    return [
        ("Format", version.get_format_display()),
        ("Features", ", ".join(signature.features)),
        (
            "Output",
            f"{signature.output} of {', '.join(signature.classes)}" if signature.classes else "a number",
        ),
        *([("Operators", ", ".join(version.report["operators"]))] if version.report.get("operators") else []),
        ("Trial", f"{json.dumps(trial.get('instance'))} gave {json.dumps(trial.get('answer'))}"),
        ("SHA-256", version.sha256),
    ]


def _curl(request: HttpRequest, name: str, instances: str) -> str:
    """A command that works when pasted, but for the key, which the shell supplies."""
    address = f"{base_url(request)}/v1/models/{name}/predict"
    body = json.dumps({"instances": json.loads(instances)})
    headers = '-H "Authorization: Bearer $ALMANAC_API_KEY" \\\n  -H "Content-Type: application/json"'
    return f"curl {address} \\\n  {headers} \\\n  -d '{body}'"


def _example(version: HostedVersion | None) -> str:
    if version is None:
        return "[]"
    signature = version.signature
    return json.dumps([list(signature.example or [0.0] * len(signature.features))])


def _parsed(text: str) -> object:
    """What is no JSON stays text, and is refused as no list."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _may(request: HttpRequest, permission: str) -> bool:
    return permission in cast("TenantRequest", request).permissions
