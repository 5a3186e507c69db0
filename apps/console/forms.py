"""Forms of the console."""

from __future__ import annotations

from django import forms


class ReasonForm(forms.Form):
    """Why the operator does it; stands in the audit log."""

    reason = forms.CharField(
        max_length=200, label="Reason", help_text="The customer's people see it, and the audit log keeps it."
    )
