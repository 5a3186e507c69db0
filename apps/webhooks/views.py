"""The pages 'Webhooks': list, set up (secret shown once), log of deliveries, try, rotate, switch off and on, delete."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.permissions import require
from apps.core.ids import parse_public_id
from apps.webhooks import queries, services
from apps.webhooks.errors import TooManyWebhooks, WebhookDisabled, WebhookInvalid
from apps.webhooks.forms import WebhookForm

PAGE = 25
MANAGE = "webhooks:manage"


@require_GET
@require(MANAGE)
def endpoint_list(request: HttpRequest) -> HttpResponse:
    """All of the tenant's."""
    return render(request, "webhooks/list.html", {"endpoints": queries.list_endpoints()})


@never_cache
@require_http_methods(["GET", "POST"])
@require(MANAGE)
def create(request: HttpRequest) -> HttpResponse:
    """The form; then the secret, which stands in this answer and nowhere else."""
    form = WebhookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            endpoint, secret = services.create(**form.cleaned_data)
        except (WebhookInvalid, TooManyWebhooks) as error:
            _at_field(form, error)
        else:
            return render(
                request, "webhooks/created.html", {"endpoint": endpoint, "secret": secret}, status=201
            )
    return render(
        request, "webhooks/new.html", {"form": form}, status=422 if request.method == "POST" else 200
    )


@never_cache
@require_GET
@require(MANAGE)
def detail(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """One webhook: what it is, what was sent, and the form to change it."""
    return _detail(request, webhook_id, None, 200)


@require_GET
@require(MANAGE)
def log(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """The log alone, for the page to renew itself."""
    return render(request, "webhooks/_log.html", _context(request, webhook_id))


@never_cache
@require_POST
@require(MANAGE)
def change(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """Change address, description or events."""
    form = WebhookForm(request.POST)
    if form.is_valid():
        try:
            services.change(endpoint_id=parse_public_id("wh", webhook_id), changes=form.cleaned_data)
        except WebhookInvalid as error:
            _at_field(form, error)
        else:
            messages.success(request, "The webhook is changed.")
            return redirect("webhooks:detail", webhook_id=webhook_id)
    return _detail(request, webhook_id, form, 422)


@never_cache
@require_POST
@require(MANAGE)
def rotate(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """A new secret, shown once."""
    endpoint, secret = services.rotate(endpoint_id=parse_public_id("wh", webhook_id))
    context = {"endpoint": endpoint, "secret": secret, "rotated": True}
    return render(request, "webhooks/created.html", context, status=201)


@require_POST
@require(MANAGE)
def test(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """Send an event that says it is a test."""
    try:
        services.send_test(endpoint_id=parse_public_id("wh", webhook_id))
        messages.info(request, "A test is on its way; the log below shows what was answered.")
    except WebhookDisabled as error:
        messages.error(request, error.detail)
    return redirect("webhooks:detail", webhook_id=webhook_id)


@require_POST
@require(MANAGE)
def switch(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """Off, or on."""
    found = parse_public_id("wh", webhook_id)
    if request.POST.get("to") == "on":
        services.enable(endpoint_id=found)
        messages.success(request, "The webhook is on. What waited is sent now.")
    else:
        services.disable(endpoint_id=found)
        messages.info(request, "The webhook is off. What happens meanwhile waits for 30 days.")
    return redirect("webhooks:detail", webhook_id=webhook_id)


@require_POST
@require(MANAGE)
def delete(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """Delete it with its log."""
    services.delete(endpoint_id=parse_public_id("wh", webhook_id))
    messages.success(request, "The webhook is deleted.")
    return redirect("webhooks:list")


@require_GET
@require(MANAGE)
def delivery(request: HttpRequest, delivery_id: str) -> HttpResponse:
    """What was sent, and each answer."""
    found = queries.get_delivery(delivery_id=parse_public_id("whd", delivery_id))
    context = {
        "delivery": found,
        "endpoint": found.endpoint,
        "attempts": queries.list_attempts(delivery=found),
        "body": json.dumps(json.loads(found.body), indent=2, ensure_ascii=False),
    }
    return render(request, "webhooks/delivery.html", context)


@require_POST
@require(MANAGE)
def replay(request: HttpRequest, delivery_id: str) -> HttpResponse:
    """Send it once more."""
    try:
        services.replay(delivery_id=parse_public_id("whd", delivery_id))
        messages.info(request, "It is being sent once more.")
    except WebhookDisabled as error:
        messages.error(request, error.detail)
    return redirect("webhooks:delivery", delivery_id=delivery_id)


def _detail(request: HttpRequest, webhook_id: str, form: WebhookForm | None, status: int) -> HttpResponse:
    context = _context(request, webhook_id)
    endpoint = context["endpoint"]
    initial = {"url": endpoint.url, "description": endpoint.description, "types": endpoint.types}
    context["form"] = form or WebhookForm(initial=initial)
    return render(request, "webhooks/detail.html", context, status=status)


def _context(request: HttpRequest, webhook_id: str) -> dict[str, Any]:
    endpoint = queries.get_endpoint(endpoint_id=parse_public_id("wh", webhook_id))
    state = request.GET.get("state", "")
    state = state if state in queries.DeliveryState.values else ""
    rows = queries.list_deliveries(endpoint=endpoint, state=state)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    return {
        "endpoint": endpoint,
        "page": page,
        "state": state,
        "states": queries.DeliveryState.values,
        "waiting": any(each.state == queries.DeliveryState.PENDING for each in page),
    }


def _at_field(form: WebhookForm, error: WebhookInvalid | TooManyWebhooks) -> None:
    field = (error.errors[0].pointer or "").strip("/") if error.errors else None
    form.add_error(field or None, error.detail)
