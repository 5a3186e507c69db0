"""Showing a form, and showing it again with what was wrong: what was typed stays, but for passwords."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apps.core import problems
from apps.core.errors import AppError


def show(request: HttpRequest, template: str, form: Form, status: int, **context: Any) -> HttpResponse:
    """A page with one form."""
    shared = {"form": form, "signup": settings.SIGNUP, "base_domain": settings.BASE_DOMAIN}
    return render(request, template, {**shared, **context}, status=status)


def refused(request: HttpRequest, template: str, form: Form, error: AppError, **context: Any) -> HttpResponse:
    """The page again, the refusal at its field."""
    note(form, error)
    return with_wait(show(request, template, form, problems.STATUS[error.kind], **context), error)


def note(form: Form, error: AppError) -> None:
    """Write a refusal at the field that it is about, or above the form."""
    field = getattr(error, "field", None)
    form.add_error(field if field in form.fields else None, error.detail)


def with_wait(response: HttpResponse, error: AppError) -> HttpResponse:
    """The answer, with ``Retry-After`` where the refusal names a time."""
    if error.retry_after_seconds:
        response["Retry-After"] = str(error.retry_after_seconds)
    return response
