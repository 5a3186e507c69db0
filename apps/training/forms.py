"""The form behind the button Train."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

from django import forms
from django.forms import BoundField

from apps.datasets.models import DatasetVersion
from apps.training.asking import MAX_HORIZON, columns_of

EFFORTS: Final = [
    ("fast", "Fast: quick members, a few seconds for hundreds of series"),
    ("balanced", "Balanced: more members, the best for its time"),
    ("best", "Best: all that may help, on more of the past"),
]
BOUNDS: Final = [
    ("auto", "Where the history never was negative"),
    ("yes", "Always"),
    ("no", "Never"),
]
BASIC: Final = ("horizon", "effort", "model_name")


class TrainForm(forms.Form):
    """How far ahead, with how much effort, and under which name; all else has a sensible default and is folded away."""

    horizon = forms.IntegerField(
        min_value=1,
        max_value=MAX_HORIZON,
        label="Horizon",
        help_text="How many steps ahead the model must be able to forecast. Further is harder and takes longer.",
    )
    effort = forms.ChoiceField(
        choices=EFFORTS,
        initial="balanced",
        label="Effort",
        help_text="How much is tried. What does well in the backtest on your own past is combined, series by series.",
    )
    model_name = forms.SlugField(
        max_length=80,
        label="Model name",
        help_text="Programs ask for forecasts by this name. Letters, digits and hyphens.",
    )
    over_cost = forms.FloatField(
        required=False,
        min_value=0,
        label="Cost of a unit too much",
        help_text="In money, such as storage or waste. With both costs, candidates are weighed by what their errors cost.",
    )
    under_cost = forms.FloatField(
        required=False,
        min_value=0,
        label="Cost of a unit too little",
        help_text="In money, such as a lost sale.",
    )
    currency = forms.CharField(
        required=False, max_length=3, label="Currency", help_text="Three letters, such as EUR."
    )
    covariates = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Columns to learn from",
        help_text="Known ahead, such as prices and promotions, or only up to now.",
    )
    country = forms.CharField(
        required=False,
        max_length=20,
        label="Public holidays of",
        help_text="A country, or a part of it: DE, US-CA, DE-BY.",
    )
    events = forms.CharField(
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        label="Events of your own",
        help_text="One a line, past and future: Fair: 2025-03-01, 2026-03-07",
    )
    totals = forms.BooleanField(
        required=False, label="Also forecast the totals of the hierarchy, so that they add up"
    )
    non_negative = forms.ChoiceField(
        required=False, choices=BOUNDS, initial="auto", label="Forecasts are never below 0"
    )
    upper = forms.FloatField(
        required=False, label="Largest value", help_text="Such as a capacity; no forecast is above it."
    )
    integer = forms.BooleanField(required=False, label="Whole numbers only")
    time_budget_seconds = forms.FloatField(
        required=False,
        min_value=5,
        label="Time budget in seconds",
        help_text="What no longer fits is left out.",
    )
    as_of = forms.DateTimeField(
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        label="As of",
        help_text="Train on what was known at this time (UTC). Empty: on everything.",
    )
    seed = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=2**31 - 1,
        label="Seed",
        help_text="The same seed on the same data gives the same model.",
    )

    def __init__(self, data: Any = None, *, version: DatasetVersion, **more: Any) -> None:
        super().__init__(data, **more)
        columns = columns_of(version)
        self._keys = list(version.columns.get("hierarchy", []))
        covariates = cast("forms.MultipleChoiceField", self.fields["covariates"])
        covariates.choices = [(name, name) for name in columns]
        covariates.initial = columns
        self.fields["totals"].initial = True
        if not columns:
            del self.fields["covariates"]
        if not self._keys:
            del self.fields["totals"]

    def basic(self) -> Iterator[BoundField]:
        """What everybody looks at."""
        return (field for field in self if field.name in BASIC)

    def further(self) -> Iterator[BoundField]:
        """What is folded away."""
        return (field for field in self if field.name not in BASIC)

    @property
    def shows_further(self) -> bool:
        """Whether something folded away is at fault."""
        return any(field.errors for field in self.further())

    def clean_events(self) -> list[dict[str, Any]]:
        """``{"name", "times"}`` of each line."""
        lines = [line for line in self.cleaned_data["events"].splitlines() if line.strip()]
        found = []
        for line in lines:
            name, colon, times = line.partition(":")
            given = [_time(time.strip()) for time in times.split(",") if time.strip()]
            if not colon or not name.strip() or not given:
                raise forms.ValidationError(f"“{line[:60]}” is not a name, a colon and times.")
            found.append({"name": name.strip(), "times": given})
        return found

    def clean_currency(self) -> str:
        """In capitals."""
        return str(self.cleaned_data["currency"]).strip().upper()

    def wishes(self) -> dict[str, Any]:
        """What ``services.start`` takes beside the data set; the form is valid."""
        given = dict(self.cleaned_data)
        totals = given.pop("totals", None)
        bounds = {"yes": True, "no": False}
        return {
            **given,
            "seed": given["seed"] or 0,
            "non_negative": bounds.get(given["non_negative"], "auto"),
            "covariates": self._chosen(given.get("covariates")),
            "hierarchy": self._keys if totals else [],
        }

    def _chosen(self, covariates: list[str] | None) -> list[str] | None:
        """None where all are chosen, so that the run says nothing about them."""
        if "covariates" not in self.fields or covariates is None:
            return None
        return None if list(covariates) == self.fields["covariates"].initial else list(covariates)


def _time(text: str) -> str | int:
    """A whole number where it is one, else text as the engine reads it."""
    return int(text) if text.lstrip("-").isdigit() and len(text) < 19 and "-" not in text[1:] else text


class PolicyForm(forms.Form):
    """When a model is trained again by itself."""

    on_new_data = forms.BooleanField(required=False, label="When its data set has new data")
    quiet_minutes = forms.IntegerField(
        min_value=1,
        max_value=1440,
        initial=15,
        label="Minutes without a change before it starts",
        help_text="So that many changes in a row are one training.",
    )
    cron = forms.CharField(
        required=False,
        max_length=100,
        label="On a schedule",
        help_text="A cron expression: 0 6 * * 1 is Monday at six. Empty: on no schedule.",
    )
    zone = forms.CharField(
        max_length=60, initial="UTC", label="Time zone", help_text="Such as Europe/Berlin."
    )
    policy = forms.ChoiceField(
        choices=[
            ("promote", "It answers from then on"),
            ("challenger", "It is registered as a challenger; the one before goes on answering"),
            ("register", "It is registered; the one before goes on answering"),
        ],
        label="What becomes of the new version",
    )
    warm_start = forms.BooleanField(
        required=False, label="Try only the members that counted in the version before: quicker"
    )
    refresh = forms.BooleanField(
        required=False, label="Where only new points came, bring them in without training: quickest"
    )
