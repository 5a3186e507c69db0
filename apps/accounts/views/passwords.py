"""A forgotten password: asking for a link, and choosing a new one by it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from apps.accounts.forms import ForgottenForm, ResetForm
from apps.accounts.services import passwords
from apps.accounts.views.forms import refused, show
from apps.accounts.views.members import sends_mail
from apps.core import problems
from apps.core.errors import AppError

FORGOTTEN, RESET = "accounts/password_forgotten.html", "accounts/password_reset.html"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    """The same answer whether there is such an account or not."""
    form = ForgottenForm(request.POST or None)
    if request.method != "POST":
        return show(request, FORGOTTEN, ForgottenForm(), 200, sends_mail=sends_mail())
    if not form.is_valid():
        return show(request, FORGOTTEN, form, 422, sends_mail=sends_mail())
    try:
        passwords.ask_for_reset(email=form.cleaned_data["email"])
    except AppError as error:
        return refused(request, FORGOTTEN, form, error, sends_mail=sends_mail())
    return render(request, "accounts/password_asked.html", {"sends_mail": sends_mail()})


@never_cache
@sensitive_post_parameters("new")
@require_http_methods(["GET", "HEAD", "POST"])
def reset(request: HttpRequest, token: str) -> HttpResponse:
    """A new password, and on to the log-in."""
    try:
        person = passwords.find_reset_person(token=token)
    except AppError as error:
        return _not_good(request, error)
    form = ResetForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return _private(show(request, RESET, form, 422 if form.is_bound else 200, email=person.email))
    try:
        passwords.reset_password(token=token, new=form.cleaned_data["new"])
    except AppError as error:
        return _private(refused(request, RESET, form, error, email=person.email))
    messages.success(request, "Your new password is set. Please log in with it.")
    return redirect("accounts:log_in")


def _not_good(request: HttpRequest, error: AppError) -> HttpResponse:
    status = problems.STATUS[error.kind]
    return render(
        request, "accounts/password_link_invalid.html", {"error": error, "status": status}, status=status
    )


def _private(response: HttpResponse) -> HttpResponse:
    """The address is the secret: it is told to nobody."""
    response["Referrer-Policy"] = "no-referrer"
    return response
