"""The form behind the button Train."""

from __future__ import annotations

from django import forms

from apps.training.services import MAX_HORIZON


class TrainForm(forms.Form):
    """How far ahead, with how much effort, and under which name."""

    horizon = forms.IntegerField(
        min_value=1,
        max_value=MAX_HORIZON,
        label="Horizon",
        help_text="How many steps ahead the model must be able to forecast. Further is harder and takes longer.",
    )
    effort = forms.ChoiceField(
        choices=[
            ("fast", "Fast: quick members, a few seconds for hundreds of series"),
            ("balanced", "Balanced: more members, the best for its time"),
            ("best", "Best: all that may help, on more of the past"),
        ],
        initial="balanced",
        label="Effort",
        help_text="How much is tried. What does well in the backtest on your own past is combined, series by series.",
    )
    model_name = forms.SlugField(
        max_length=80,
        label="Model name",
        help_text="Programs ask for forecasts by this name. Letters, digits and hyphens.",
    )
