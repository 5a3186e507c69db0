"""Forms on the pages of models and forecasts."""

from __future__ import annotations

from collections.abc import Sequence

from django import forms
from django.core.validators import MaxValueValidator


class ForecastForm(forms.Form):
    """How far ahead and which series; ``series`` empty means all."""

    horizon = forms.IntegerField(min_value=1, label="Horizon", help_text="Steps ahead.")
    series = forms.CharField(
        required=False,
        max_length=2000,
        label="Series",
        help_text="Ids with commas between them; empty for all series.",
    )

    def __init__(self, *args: object, horizon_max: int, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        horizon = self.fields["horizon"]
        assert isinstance(horizon, forms.IntegerField)
        horizon.max_value = horizon_max
        horizon.validators.append(MaxValueValidator(horizon_max))
        horizon.widget.attrs["max"] = horizon_max
        horizon.initial = horizon_max

    def series_ids(self) -> tuple[str, ...] | None:
        """The ids typed in, without repetition; None for all."""
        ids = [part.strip() for part in self.cleaned_data["series"].split(",") if part.strip()]
        return tuple(dict.fromkeys(ids)) or None


class ExplainForm(forms.Form):
    """Which point of a forecast to take apart."""

    series_id = forms.ChoiceField(label="Series")
    step = forms.IntegerField(
        min_value=1, initial=1, label="Step", help_text="1 is the first step after the data."
    )

    def __init__(self, *args: object, series: Sequence[str], horizon: int, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        choice, step = self.fields["series_id"], self.fields["step"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = [(each, each) for each in series]
        step.widget.attrs["max"] = horizon
