"""The forms for a new key, for its settings, and for its rotation. What the values may be, the services decide."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from apps.api_keys.scopes import SCOPES, STANDARD, SUGGESTED

EXPIRIES = [("30", "in 30 days"), ("90", "in 90 days"), ("365", "in one year"), ("never", "never")]
OVERLAPS = [
    ("0", "not at all: it stops at once"),
    ("1", "for an hour"),
    ("24", "for 24 hours"),
    ("72", "for 3 days"),
    ("168", "for 7 days"),
]
MODES = [("live", "Live: forecasts are billed"), ("test", "Test: runs everything, bills nothing")]
ACCESS = [
    ("standard", "Standard: data sets, models and forecasts"),
    ("restricted", "Restricted: choose what it may"),
]
OWNERS = [
    ("organisation", "The company: it stays when people leave"),
    ("me", "Me: it ends when I leave, and never may more than my role"),
]


class SettingsForm(forms.Form):
    """What can be changed of a key later."""

    name = forms.CharField(max_length=200, help_text="What uses the key, such as “Shop replenishment”.")
    networks = forms.CharField(
        label="Allowed networks",
        required=False,
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="Addresses or ranges such as 203.0.113.0/24 or 2001:db8::/32, one a line. Empty: from everywhere.",
    )
    requests_per_minute = forms.IntegerField(
        label="Requests a minute", required=False, help_text="Empty: no limit of its own."
    )
    points_per_month = forms.IntegerField(
        label="Forecast points a month",
        required=False,
        help_text="The key's own budget within the plan's. Empty: none.",
    )

    def clean_networks(self) -> list[str]:
        """The entries, however they are separated."""
        return [entry for entry in re.split(r"[\s,;]+", self.cleaned_data["networks"]) if entry]


class KeyForm(SettingsForm):
    """A new key: name, mode, scopes (those that the person's role includes), owner, end and limits."""

    mode = forms.ChoiceField(choices=MODES, initial="live", widget=forms.RadioSelect)
    access = forms.ChoiceField(
        choices=ACCESS, initial="standard", label="What it may", widget=forms.RadioSelect
    )
    scopes = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        help_text="Give no more than is needed.",
        error_messages={"required": "Choose at least one scope, or a standard key."},
    )
    owner = forms.ChoiceField(
        choices=OWNERS, initial="organisation", label="Belongs to", widget=forms.RadioSelect
    )
    expires = forms.ChoiceField(choices=EXPIRIES, initial="365", label="Expires")
    field_order = ("name", "mode", "access", "scopes", "expires", "owner", "networks")

    def __init__(self, data: Any = None, *, allowed: Collection[str], **kwargs: Any) -> None:
        super().__init__(_completed(data) if data is not None else None, **kwargs)
        field = self.fields["scopes"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(name, f"{name}: {words}") for name, words in SCOPES.items() if name in allowed]
        field.initial = [name for name in SUGGESTED if name in allowed]
        field.required = not self.is_bound or self.data["access"] == "restricted"
        if not set(STANDARD) <= set(allowed):
            self.fields["access"].initial = "restricted"

    @property
    def first(self) -> list[forms.BoundField]:
        """What everybody decides."""
        return [self[name] for name in ("name", "mode", "access", "scopes", "expires")]

    @property
    def further(self) -> list[forms.BoundField]:
        """What most leave as it is."""
        return [self[name] for name in ("owner", "networks", "requests_per_minute", "points_per_month")]

    @property
    def shows_further(self) -> bool:
        """Whether something is wrong among these."""
        return any(field.errors for field in self.further)

    def wishes(self) -> dict[str, Any]:
        """What ``services.create`` is asked for."""
        cleaned = self.cleaned_data
        days = cleaned["expires"]
        return {
            "name": cleaned["name"],
            "mode": cleaned["mode"],
            "scopes": cleaned["scopes"] if cleaned["access"] == "restricted" else None,
            "networks": cleaned["networks"],
            "requests_per_minute": cleaned["requests_per_minute"],
            "points_per_month": cleaned["points_per_month"],
            "expires_at": None if days == "never" else _in_days(int(days)),
            "personal": cleaned["owner"] == "me",
        }


class RotateForm(forms.Form):
    """How long the old text goes on working."""

    overlap = forms.ChoiceField(choices=OVERLAPS, initial="24", label="The old key goes on working")

    def overlap_time(self) -> timedelta:
        """As a time."""
        return timedelta(hours=int(self.cleaned_data["overlap"]))


def _completed(data: Any) -> Any:
    """What was sent, with what goes without saying: whoever chose scopes and said nothing else means them."""
    access = "restricted" if data.getlist("scopes") else "standard"
    complete = data.copy()
    for name, usual in (("mode", "live"), ("access", access), ("owner", "organisation")):
        if not complete.get(name):
            complete[name] = usual
    return complete


def _in_days(days: int) -> datetime:
    return timezone.now() + timedelta(days=days)
