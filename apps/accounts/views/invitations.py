"""Where the link of an invitation leads: the bare host shows who invites to what, and makes a member."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from apps.accounts import errors, queries, services
from apps.accounts.forms import JoinForm
from apps.accounts.models import User
from apps.accounts.permissions import ROLE_WORDS, Role
from apps.accounts.services import invitations
from apps.accounts.services.invitations import Offer
from apps.accounts.views.forms import refused, show
from apps.core import problems
from apps.core.errors import AppError

JOIN, REFUSED = "accounts/invitation.html", "accounts/invitation_refused.html"


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """The offer: a person who is logged in accepts, others log in, or choose a password if they are new."""
    try:
        offer = invitations.open_offer(token=token)
        answer = _answer(request, token, offer)
    except errors.InvitationRefused as error:
        answer = _refused(request, error)
    answer["Referrer-Policy"] = "same-origin"
    return answer


def _answer(request: HttpRequest, token: str, offer: Offer) -> HttpResponse:
    if request.user.is_authenticated:
        return _as_person(request, token, offer)
    if queries.find_user(email=offer.invitation.email) is not None:
        return show(request, JOIN, JoinForm(), 200, **_context(offer, "log_in", request))
    return _as_new(request, token, offer)


def _as_person(request: HttpRequest, token: str, offer: Offer) -> HttpResponse:
    person = cast("User", request.user)
    if person.email != offer.invitation.email:
        error = errors.InvitationForAnother(invited=offer.invitation.email, present=person.email)
        return _refused(request, error, path=request.path)
    if request.method != "POST":
        return show(request, JOIN, JoinForm(), 200, **_context(offer, "accept", request))
    tenant = invitations.accept(token=token, user=person)
    return redirect("accounts:enter", slug=tenant.slug)


def _as_new(request: HttpRequest, token: str, offer: Offer) -> HttpResponse:
    form, context = JoinForm(request.POST or None), _context(offer, "join", request)
    if request.method != "POST" or not form.is_valid():
        return show(request, JOIN, form, 422 if form.is_bound else 200, **context)
    data = form.cleaned_data
    try:
        user, tenant = invitations.accept_as_new(token=token, password=data["password"], name=data["name"])
    except errors.EmailTaken:  # in the meantime
        return redirect(request.path)
    except errors.InvitationRefused:
        raise
    except AppError as error:
        return refused(request, JOIN, form, error, **context)
    services.open_log_in(request=request, user=user)
    return redirect("accounts:enter", slug=tenant.slug)


def _context(offer: Offer, step: str, request: HttpRequest) -> dict[str, object]:
    return {
        "offer": offer,
        "step": step,
        "role_words": ROLE_WORDS[Role(offer.invitation.role)],
        "path": request.path,
    }


def _refused(request: HttpRequest, error: AppError, path: str = "") -> HttpResponse:
    status = problems.STATUS[error.kind]
    return render(request, REFUSED, {"error": error, "status": status, "path": path}, status=status)
