"""Forms on the pages of hosted models."""

from __future__ import annotations

import json

from django import forms

from apps.hosting.signature import EXAMPLE


class BringForm(forms.Form):
    """A file, its name, and what it takes and gives."""

    name = forms.SlugField(
        max_length=80,
        label="Name",
        help_text="What programs call it. Letters, digits and hyphens; a name that exists gets a new version.",
    )
    signature = forms.CharField(
        max_length=200_000,
        label="Signature",
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "class": "mono"}),
        help_text="JSON: features in the order of the columns; output is regression or probabilities, then with classes;"
        " an example row is tried before anything is registered.",
    )
    file = forms.FileField(
        label="File", help_text="ONNX, LightGBM's text, or XGBoost's JSON or UBJ; at most 200 MB."
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["signature"].initial = json.dumps(EXAMPLE, indent=2)


class TryForm(forms.Form):
    """Rows to ask."""

    instances = forms.CharField(
        max_length=200_000,
        label="Instances",
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "class": "mono"}),
        help_text="JSON: a list of rows, each a list of numbers or an object by feature. Each row counts as one prediction.",
    )
