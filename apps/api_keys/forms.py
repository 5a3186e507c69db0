"""The form for a new key."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django import forms
from django.utils import timezone

from apps.api_keys.scopes import SCOPES, SUGGESTED

EXPIRIES = [("30", "in 30 days"), ("90", "in 90 days"), ("365", "in one year"), ("never", "never")]


class KeyForm(forms.Form):
    """Name, scopes (those that the person's role includes) and end of a new key."""

    name = forms.CharField(max_length=200, help_text="What uses the key, such as “Shop replenishment”.")
    scopes = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple, help_text="Give no more than is needed."
    )
    expires = forms.ChoiceField(choices=EXPIRIES, initial="365", label="Expires")

    def __init__(self, *args: object, allowed: Collection[str], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        choices = [(name, f"{name}: {words}") for name, words in SCOPES.items() if name in allowed]
        field = self.fields["scopes"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = choices
        field.initial = [name for name in SUGGESTED if name in allowed]

    def expires_at(self) -> datetime | None:
        """The moment that was chosen, or None for never."""
        days = self.cleaned_data["expires"]
        return None if days == "never" else timezone.now() + timedelta(days=int(days))
