"""The form behind the button Train."""

from __future__ import annotations

from django import forms

from apps.training.services import MAX_HORIZON


class TrainForm(forms.Form):
    """How far ahead, and under which name."""

    horizon = forms.IntegerField(
        min_value=1,
        max_value=MAX_HORIZON,
        label="Horizon",
        help_text="How many steps ahead the model must be able to forecast. Further is harder and takes longer.",
    )
    model_name = forms.SlugField(
        max_length=80,
        label="Model name",
        help_text="Programs ask for forecasts by this name. Letters, digits and hyphens.",
    )
