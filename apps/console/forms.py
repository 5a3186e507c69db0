"""Forms of the console."""

from __future__ import annotations

from typing import Any

from django import forms

from tenants.lifecycle import GRACE_DAYS, LONGEST_GRACE_DAYS
from tenants.models import Tenant


class ReasonForm(forms.Form):
    """Why the operator does it; stands in the audit log."""

    reason = forms.CharField(
        max_length=200, label="Reason", help_text="The customer's people see it, and the audit log keeps it."
    )

    def __init__(self, *args: Any, tenant: Tenant, **kwargs: Any) -> None:
        self.tenant = tenant
        super().__init__(*args, **kwargs)


class DeleteForm(ReasonForm):
    """The grace, and the address typed by hand, as it cannot be undone after the grace."""

    grace_days = forms.IntegerField(
        min_value=0,
        max_value=LONGEST_GRACE_DAYS,
        initial=GRACE_DAYS,
        label="Grace in days",
        help_text="Until then it can be kept. 0 erases it within a minute.",
    )
    typed = forms.CharField(label="Address", help_text="Type the tenant's address to confirm.")
    field_order = ("typed", "grace_days", "reason")

    def clean_typed(self) -> str:
        """The tenant's own address, letter by letter."""
        typed = str(self.cleaned_data["typed"])
        if typed != self.tenant.slug:
            raise forms.ValidationError(f"That is not {self.tenant.slug}.")
        return typed


class RenameForm(forms.Form):
    """Another address, another name, or both."""

    slug = forms.CharField(
        max_length=40, label="Address", help_text="The earlier one keeps leading to the tenant."
    )
    name = forms.CharField(max_length=120, label="Name")

    def __init__(self, *args: Any, tenant: Tenant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {"slug": tenant.slug, "name": tenant.name}
