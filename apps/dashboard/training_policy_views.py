"""The page on which people say when a model is trained again by itself."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.permissions import require
from apps.core.errors import AppError
from apps.jobs.errors import ScheduleInvalid
from apps.registry import queries as registry
from apps.training import policies, queries
from apps.training.forms import PolicyForm


@require_http_methods(["GET", "POST"])
@require("models:train")
def edit(request: HttpRequest, name: str) -> HttpResponse:
    """The policy's form; posted, it is kept, or the form says what is wrong."""
    model, policy = registry.get_model(name=name), queries.find_policy(model_name=name)
    form = PolicyForm(request.POST or None)
    if request.method == "GET":
        form = PolicyForm(
            initial={each: getattr(policy, each) for each in policies.SETTINGS} if policy else {}
        )
    elif form.is_valid():
        try:
            policies.set_policy(model_name=name, **form.cleaned_data)
            messages.success(request, "Saved.")
            return redirect("training:policy", name=name)
        except AppError as error:
            form.add_error("cron" if isinstance(error, ScheduleInvalid) else None, error.detail)
    context = {"model": model, "policy": policy, "form": form}
    return render(request, "training/policy.html", context, status=422 if form.errors else 200)


@require_POST
@require("models:train")
def remove(request: HttpRequest, name: str) -> HttpResponse:
    """Train by hand only."""
    policies.remove_policy(model_name=name)
    messages.success(request, f"{name} is trained by hand only.")
    return redirect("training:policy", name=name)
