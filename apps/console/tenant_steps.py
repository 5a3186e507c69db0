"""The steps of a tenant's life that the operator takes in the console: one form and one service call each."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from apps.accounts import naming
from apps.accounts import queries as people
from apps.console.forms import DeleteForm, ReasonForm, RenameForm
from apps.core.errors import AppError
from apps.core.scope import SystemRole
from tenants import services
from tenants.context import system_scope
from tenants.models import Tenant

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """What the page says, asks for and does."""

    words: str
    form: Callable[..., forms.Form]
    act: Callable[[Tenant, Values], Tenant]


def _rename(tenant: Tenant, values: Values) -> Tenant:
    slug = values["slug"].strip().lower()
    return services.rename(
        tenant_id=tenant.id,
        slug=slug if slug == tenant.slug else naming.check_address(slug),
        name=naming.clean_company(values["name"]),
    )


def _delete(tenant: Tenant, values: Values) -> Tenant:
    with system_scope(SystemRole.EDGE):
        notify = people.list_owner_emails(tenant_id=tenant.id)
    return services.request_deletion(
        tenant_id=tenant.id, reason=values["reason"], grace_days=values["grace_days"], notify=notify
    )


STEPS: Final[dict[str, Step]] = {
    "suspend": Step(
        "Nobody of “{name}” can sign in or call the API until it is brought back. Its data stays, and running jobs are refused.",
        ReasonForm,
        lambda tenant, values: services.suspend(tenant_id=tenant.id, **values),
    ),
    "reactivate": Step(
        "The doors of “{name}” open again at once.",
        ReasonForm,
        lambda tenant, values: services.reactivate(tenant_id=tenant.id, **values),
    ),
    "rename": Step(
        "Links to the earlier address of “{name}” lead to the new one, and nobody else can take it.",
        RenameForm,
        _rename,
    ),
    "request-deletion": Step(
        "“{name}” closes at once, and its owners are told. After the grace everything of it is erased: schema, files, models, keys, "
        "memberships. The ledger, the books and the audit log stay, as the law wants.",
        DeleteForm,
        _delete,
    ),
    "cancel-deletion": Step(
        "“{name}” is again what it was before its deletion was asked for.",
        ReasonForm,
        lambda tenant, values: services.cancel_deletion(tenant_id=tenant.id, **values),
    ),
}


class TenantSteps(admin.ModelAdmin):  # type: ignore[type-arg]
    """A page for each step, beside Django's own pages of a tenant."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        """Claimed tenants; the warm pool's have no name yet, and those that are gone none any more."""
        return super().get_queryset(request).filter(slug__isnull=False).select_related("limits")

    def get_urls(self) -> list[URLPattern]:
        """``<id>/suspend/`` and so on, each named ``tenant_<step>``."""
        own = [
            path(
                f"<uuid:tenant_id>/{name}/",
                self.admin_site.admin_view(functools.partial(self.take, name=name)),
                name=f"tenant_{name.replace('-', '_')}",
            )
            for name in STEPS
        ]
        return [*own, *super().get_urls()]

    def take(self, request: HttpRequest, tenant_id: uuid.UUID, name: str) -> HttpResponse:
        """Ask, then do it and say how it went."""
        tenant = get_object_or_404(self.get_queryset(request), id=tenant_id)
        step, label = STEPS[name], name.replace("-", " ")
        back = reverse("console:tenants_tenant_change", args=[tenant_id])
        form = step.form(request.POST or None, tenant=tenant)
        if request.method != "POST" or not form.is_valid():
            context = {
                **self.admin_site.each_context(request),
                "title": f"{label.capitalize()}: {tenant.name}",
                "words": step.words.format(name=tenant.name),
                "action": label,
            }
            return TemplateResponse(
                request, "console/step.html", {**context, "tenant": tenant, "form": form, "back": back}
            )
        try:
            step.act(tenant, form.cleaned_data)
            messages.success(request, f"{tenant.name}: {label} done.")
        except AppError as error:
            messages.error(request, error.detail)
        return redirect(back)


def lines(texts: Iterable[str]) -> SafeString | str:
    """Texts below each other, or a dash."""
    return format_html_join("", "{}<br>", ((text,) for text in texts)) or "–"
