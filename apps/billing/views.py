"""The plan page, the ways to Stripe and back, and the webhook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import structlog
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.http import TenantRequest
from apps.accounts.permissions import require
from apps.billing import plans, queries, services, stripe_api
from apps.billing.errors import AlreadySubscribed, StripeUnavailable
from apps.core import problems
from apps.core.errors import AppError
from apps.usage import queries as usage

log = structlog.get_logger(__name__)
_POLLS_BEFORE_ASKING = 5
_POLLS_AT_MOST = 60


@dataclass(frozen=True, slots=True)
class Offer:
    """A plan as one column of the page shows it; ``step`` is current, checkout, portal or none."""

    plan: plans.Plan
    step: str
    is_higher: bool


@never_cache
@require_GET
@require("billing:read")
def plan(request: HttpRequest) -> HttpResponse:
    """The plans side by side, what is used, and what can be changed."""
    limits, subscription = queries.get_limits(), queries.find_subscription()
    context = {
        "current": plans.find_plan(limits.plan),
        "limits": limits,
        "offers": _offers(limits.plan, subscribed=subscription is not None),
        "subscription": subscription,
        "has_account": queries.find_customer() is not None,
        "quota": usage.get_quota(),
        "billing_on": queries.is_on(),
        "simulated": queries.is_simulated(),
        "may_manage": "billing:manage" in cast("TenantRequest", request).permissions,
    }
    return _with_origins(render(request, "billing/plan.html", context))


@require_POST
@require("billing:manage")
def checkout(request: HttpRequest, code: str) -> HttpResponse:
    """Off to Stripe Checkout; who has a subscription goes to the portal, so that nobody pays twice."""
    back = request.build_absolute_uri(reverse("billing:plan"))
    success = request.build_absolute_uri(reverse("billing:return")) + "?session_id={CHECKOUT_SESSION_ID}"
    email = cast("TenantRequest", request).user.email
    try:
        url = services.start_checkout(plan=code, email=email, success_url=success, cancel_url=back)
    except AlreadySubscribed:
        url = services.open_portal(return_url=back)
    return _see_other(url)


@require_POST
@require("billing:manage")
def portal(request: HttpRequest) -> HttpResponse:
    """Off to Stripe's customer portal."""
    return _see_other(services.open_portal(return_url=request.build_absolute_uri(reverse("billing:plan"))))


@never_cache
@require_GET
@require("billing:read")
def returned(request: HttpRequest) -> HttpResponse:
    """Back from Checkout: says what Stripe says, and waits for the event that changes the plan."""
    session_id = request.GET.get("session_id", "")
    if not session_id:
        return redirect("billing:plan")
    try:
        found = services.find_checkout(session_id=session_id)
    except StripeUnavailable:
        return redirect("billing:plan")
    if found.status != "complete" or plans.find_plan(found.plan) is None:
        return redirect("billing:plan")
    return render(request, "billing/return.html", _progress(found.plan, polls=0))


@never_cache
@require_GET
@require("billing:read")
def progress(request: HttpRequest) -> HttpResponse:
    """The part of the return page that htmx asks for every second until the plan is there."""
    wanted = plans.get_plan(request.GET.get("plan", ""))
    asked = request.GET.get("polls", "")
    polls = min(int(asked), _POLLS_AT_MOST) + 1 if asked.isdecimal() and len(asked) < 4 else _POLLS_AT_MOST
    context = _progress(wanted.code, polls=polls)
    if not context["done"] and polls % _POLLS_BEFORE_ASKING == 0:
        _refresh()
        context = _progress(wanted.code, polls=polls)
    response = render(request, "billing/_progress.html", context)
    if context["done"] and request.headers.get("HX-Request"):
        response["HX-Refresh"] = "true"  # so that the frame around it shows the new plan as well
    return response


@csrf_exempt
@require_POST
def webhook(request: HttpRequest) -> HttpResponse:
    """Stripe's events: 200 taken, 400 not Stripe's, 5xx to be sent again."""
    try:
        outcome = services.handle_event(
            payload=request.body, signature=request.headers.get("Stripe-Signature", "")
        )
    except AppError as error:
        log.warning("stripe_event_refused", code=error.code, detail=error.detail)
        return problems.of_app_error(error)
    return JsonResponse({"outcome": outcome})


def _offers(current: str, *, subscribed: bool) -> list[Offer]:
    rank = plans.RANK.get(current, 0)
    offers = []
    for plan in plans.PLANS:
        if plan.code == current:
            step = "current"
        elif subscribed:
            step = "portal"
        else:
            step = "checkout" if plan.is_sold else "none"
        offers.append(Offer(plan, step, plans.RANK[plan.code] > rank))
    return offers


def _progress(wanted: str, *, polls: int) -> dict[str, object]:
    return {
        "wanted": plans.get_plan(wanted),
        "done": queries.get_limits().plan == wanted,
        "polls": polls,
        "given_up": polls >= _POLLS_AT_MOST,
        "simulated": queries.is_simulated(),
    }


def _refresh() -> None:
    try:
        services.refresh()
    except StripeUnavailable as error:
        log.warning("stripe_refresh_failed", detail=error.detail)


def _see_other(url: str) -> HttpResponse:
    response = HttpResponseRedirect(url)
    response.status_code = 303
    return _with_origins(response)


def _with_origins(response: HttpResponse) -> HttpResponse:
    """Let the page's forms lead to Stripe, which the content security policy would refuse."""
    response.form_action = stripe_api.form_origins()  # type: ignore[attr-defined]
    return response
