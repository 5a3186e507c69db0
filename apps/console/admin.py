"""What the operator sees: tenants with their jobs, usage and audit log. Changes go through services, with a reason."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin
from django.db.models import Model, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.accounts.models import Membership, User
from apps.api_keys.models import ApiKey
from apps.audit.models import AuditEvent
from apps.console.site import site
from apps.console.tenant_steps import TenantSteps, lines
from apps.events.models import Event
from apps.jobs.models import Job
from apps.usage.kinds import FORECAST_POINTS
from apps.usage.models import UsageEvent
from apps.usage.periods import period_of
from tenants.lifecycle import KEPT_TABLES
from tenants.models import Domain, Tenant, TenantErasure, TenantLimits


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows to look at and search; nothing is added, changed or deleted by hand."""

    show_full_result_count = False
    list_per_page = 50
    tenant_names: dict[uuid.UUID, str]

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """Never: the pages show, they do not edit."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """Never."""
        return False

    @admin.display(description="Tenant")
    def tenant(self, row: Any) -> str:
        """The tenant's slug beside its rows."""
        if row.tenant_id is None:
            return "–"
        return str(
            Tenant.objects.filter(id=row.tenant_id).values_list("slug", flat=True).first() or row.tenant_id
        )


class ReadOnlyInline(admin.TabularInline):  # type: ignore[type-arg]
    """Rows on another row's page, to look at."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """Never."""
        return False


class DomainInline(ReadOnlyInline):
    """The tenant's host names."""

    model = Domain
    verbose_name_plural = "Host names"


class LimitsInline(ReadOnlyInline):
    """What the tenant may use."""

    model = TenantLimits
    verbose_name_plural = "What it may use"


@admin.register(Tenant, site=site)
class TenantAdmin(TenantSteps, ReadOnly):
    """Find a tenant, see how it does, and take it through its life: suspend, bring back, rename, delete, keep."""

    list_display = ("slug", "name", "state", "plan", "points_this_month", "erase_after", "created_at")
    list_filter = ("state",)
    search_fields = ("slug", "name", "schema_name")
    ordering = ("slug",)
    inlines = (LimitsInline, DomainInline)
    fields = (
        "name",
        "slug",
        "state",
        "suspended_reason",
        "schema_name",
        "created_at",
        "activated_at",
        "delete_requested_at",
        "deletion_reason",
        "erase_after",
        "erasure_started_at",
        "schema_version",
        "elsewhere",
    )
    readonly_fields = fields
    change_form_template = "console/tenant.html"

    @admin.display(description="Plan")
    def plan(self, tenant: Tenant) -> str:
        """The plan's code; one that is being erased has none any more."""
        limits = getattr(tenant, "limits", None)
        return limits.plan if limits else "–"

    @admin.display(description="Points this month")
    def points_this_month(self, tenant: Tenant) -> str:
        """Forecast points used, of how many."""
        used = (
            UsageEvent.objects.filter(
                tenant_id=tenant.id, period=period_of(timezone.now()), kind=FORECAST_POINTS
            ).aggregate(all=Sum("quantity"))["all"]
            or 0
        )
        limits = getattr(tenant, "limits", None)
        return f"{used:,} of {limits.forecast_points_per_month:,}" if limits else f"{used:,}"

    @admin.display(description="Look at")
    def elsewhere(self, tenant: Tenant) -> SafeString:
        """Links to the tenant's jobs, usage, audit log, keys and people."""
        return format_html(
            '<a href="{}?tenant_id={}">Jobs</a> · <a href="{}?tenant_id={}">Usage</a> · <a href="{}?tenant_id={}">Audit log</a> · '
            '<a href="{}?tenant_id={}">API keys</a> · <a href="{}?tenant_id={}">People</a>',
            *(part for name in ("jobs_job", "usage_usageevent", "audit_auditevent", "api_keys_apikey", "accounts_membership")
              for part in (reverse(f"console:{name}_changelist"), tenant.id)),
        )  # fmt: skip


@admin.register(TenantErasure, site=site)
class TenantErasureAdmin(ReadOnly):
    """Certificates: which tenants were erased, what was removed, and what was looked for and not found."""

    list_display = ("slug", "requested_at", "started_at", "finished_at", "attempts")
    search_fields = ("slug", "schema_name", "=tenant_id")
    fields = (
        "slug", "tenant_id", "schema_name", "reason", "requested_at", "started_at", "finished_at", "attempts",
        "what_was_removed", "what_was_kept", "what_was_looked_for",
    )  # fmt: skip
    readonly_fields = fields

    @admin.display(description="Rows removed")
    def what_was_removed(self, erasure: TenantErasure) -> SafeString | str:
        """One line for each shared table; the schema and the files are gone as a whole."""
        return lines(f"{number:,} from {table}" for table, number in erasure.removed.items())

    @admin.display(description="Rows kept")
    def what_was_kept(self, erasure: TenantErasure) -> SafeString | str:
        """What stays, and why."""
        return lines(
            f"{number:,} in {table}: {KEPT_TABLES.get(table, '')}" for table, number in erasure.kept.items()
        )

    @admin.display(description="Looked for")
    def what_was_looked_for(self, erasure: TenantErasure) -> SafeString | str:
        """Each kind of thing, and what of it was found."""
        return lines(
            f"{check['name']}: {'; '.join(check['left']) or 'nothing left'}" for check in erasure.checks
        )


@admin.register(Job, site=site)
class JobAdmin(ReadOnly):
    """Work in the background, of all tenants."""

    list_display = ("title", "tenant", "kind", "state", "stage", "percent", "attempt", "created_at")
    list_filter = ("state", "kind", "queue")
    search_fields = ("title", "=request_id")


@admin.register(UsageEvent, site=site)
class UsageAdmin(ReadOnly):
    """The ledger."""

    list_display = ("occurred_at", "tenant", "kind", "quantity", "period")
    list_filter = ("kind", "period")
    search_fields = ("=request_id",)


@admin.register(AuditEvent, site=site)
class AuditAdmin(ReadOnly):
    """Who changed what."""

    list_display = ("occurred_at", "tenant", "who", "action", "target_id", "outcome", "address", "number")
    list_filter = ("actor_type", "outcome", "action")
    list_select_related = ("personal", "seal")
    exclude = ("id", "personal_digest")
    readonly_fields = ("who", "address", "program", "details", "number")
    search_fields = ("personal__data__actor_label", "target_id", "=request_id")

    @admin.display(description="Who")
    def who(self, event: AuditEvent) -> str:
        """By what a person recognises who acted, unless that was erased."""
        return "(erased)" if event.is_erased else event.actor_label or event.actor_type

    @admin.display(description="From")
    def address(self, event: AuditEvent) -> str:
        """The caller's address."""
        return event.ip or "–"

    @admin.display(description="With")
    def program(self, event: AuditEvent) -> str:
        """The caller's program."""
        return event.user_agent or "–"

    @admin.display(description="About people")
    def details(self, event: AuditEvent) -> str:
        """What else of the event is about people."""
        found = event.about_people.get("details", {})
        return ", ".join(f"{name}: {value}" for name, value in found.items()) or "–"

    @admin.display(description="Seal")
    def number(self, event: AuditEvent) -> str:
        """Its number in its chain."""
        return str(event.sealed_number or "not yet")


@admin.register(ApiKey, site=site)
class ApiKeyAdmin(ReadOnly):
    """Keys by their public part."""

    list_display = ("public_id", "tenant", "name", "created_at", "expires_at", "revoked_at", "last_used_at")
    exclude = ("digest",)
    search_fields = ("public_id", "name")


@admin.register(User, site=site)
class UserAdmin(ReadOnly):
    """People."""

    list_display = ("email", "is_operator", "is_active", "last_login", "created_at")
    exclude = ("password",)
    search_fields = ("email",)


@admin.register(Membership, site=site)
class MembershipAdmin(ReadOnly):
    """Who belongs where."""

    list_display = ("user", "tenant", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user",)


@admin.register(Event, site=site)
class EventAdmin(ReadOnly):
    """The outbox: what was told, what waits for the mail server, and what was given up, with the reason."""

    list_display = ("occurred_at", "tenant", "type", "attempts", "mailed_at", "gave_up_at", "last_error")
    list_filter = (
        "type",
        ("gave_up_at", admin.EmptyFieldListFilter),
        ("mailed_at", admin.EmptyFieldListFilter),
    )
    search_fields = ("last_error",)
