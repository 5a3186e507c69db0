"""The form of a webhook. What the values may be, the services decide."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.webhooks import queries


class WebhookForm(forms.Form):
    """Where events go, and which."""

    url = forms.URLField(
        label="Address",
        max_length=2000,
        assume_scheme="https",
        widget=forms.URLInput(attrs={"placeholder": "https://example.com/almanac", "autocomplete": "off"}),
        help_text="Events are sent there as POST, over https only. Answer with 2xx within 15 seconds.",
    )
    description = forms.CharField(
        max_length=200, required=False, help_text="What listens there, such as “Shop replenishment”."
    )
    types = forms.MultipleChoiceField(
        label="Events",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: all of them, also those that later versions add.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["types"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(each.type, f"{each.type}: {each.description}") for each in queries.list_types()]
