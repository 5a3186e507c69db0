"""What comes in with requests about trainings."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.api import Body
from apps.engine.contracts import EFFORTS
from apps.training.asking import MAX_HORIZON
from apps.training.models import Policy


class Happening(Body):
    """One of ``events``: a name, and the times at which it counts."""

    name = serializers.CharField(max_length=100)
    times = serializers.ListField(child=serializers.JSONField(), allow_empty=False, max_length=10_000)


class Costs(Body):
    """What a unit too much and a unit too little costs."""

    over = serializers.FloatField(min_value=0)
    under = serializers.FloatField(min_value=0)
    currency = serializers.CharField(max_length=3, required=False, default="", allow_blank=True)


class OneOf(serializers.Field[Any, Any, Any, Any]):
    """True, False or the text ``auto``."""

    def to_internal_value(self, data: Any) -> Any:
        """Raises DRF's ``ValidationError``."""
        if data is True or data is False or data == "auto":
            return data
        raise serializers.ValidationError("It must be true, false or “auto”.", code="invalid_choice")

    def to_representation(self, value: Any) -> Any:
        """As it is."""
        return value


class NewRun(Body):
    """Body of ``POST /v1/training-runs``; ``Asked`` says what the fields mean."""

    dataset = serializers.SlugField()
    dataset_version = serializers.IntegerField(min_value=1, required=False, allow_null=True)
    horizon = serializers.IntegerField(min_value=1, max_value=MAX_HORIZON)
    model = serializers.SlugField(required=False, default="", max_length=80)
    effort = serializers.ChoiceField(choices=EFFORTS, required=False, default="balanced")
    candidates = serializers.ListField(
        child=serializers.CharField(max_length=60), required=False, allow_empty=False, max_length=50
    )
    seed = serializers.IntegerField(required=False, default=0, min_value=0, max_value=2**31 - 1)
    levels = serializers.ListField(child=serializers.IntegerField(), required=False, max_length=20)
    as_of = serializers.DateTimeField(required=False, allow_null=True)
    covariates = serializers.ListField(
        child=serializers.CharField(max_length=200), max_length=1000, required=False, allow_null=True
    )
    future_covariates = serializers.ChoiceField(
        choices=("dataset", "request"), required=False, default="dataset"
    )
    country = serializers.CharField(max_length=20, required=False, default="", allow_blank=True)
    events = Happening(many=True, required=False)
    hierarchy = serializers.ListField(
        child=serializers.CharField(max_length=200), max_length=20, required=False, allow_null=True
    )
    integer = serializers.BooleanField(required=False, default=False)
    non_negative = OneOf(required=False, default="auto")
    upper = serializers.FloatField(required=False, allow_null=True)
    time_budget_seconds = serializers.FloatField(required=False, allow_null=True)
    costs = Costs(required=False)
    policy = serializers.ChoiceField(choices=Policy.values, required=False, default=Policy.PROMOTE)
    warm_from = serializers.IntegerField(min_value=1, required=False, allow_null=True)
    dry_run = serializers.BooleanField(required=False, default=False)


class NewPolicy(Body):
    """Body of ``PUT /v1/models/{name}/training-policy``."""

    on_new_data = serializers.BooleanField(required=False, default=False)
    quiet_minutes = serializers.IntegerField(required=False, default=15, min_value=1, max_value=1440)
    cron = serializers.CharField(required=False, default="", allow_blank=True, max_length=100)
    timezone = serializers.CharField(required=False, default="UTC", max_length=60)
    policy = serializers.ChoiceField(choices=Policy.values, required=False, default=Policy.PROMOTE)
    warm_start = serializers.BooleanField(required=False, default=False)
    refresh = serializers.BooleanField(required=False, default=False)


def wishes(asked: dict[str, Any]) -> dict[str, Any]:
    """What ``services.start`` and ``services.estimate`` take, of a checked ``NewRun``."""
    names = {"dataset": "dataset_slug", "model": "model_name", "dataset_version": "version_number"}
    found = {
        names.get(name, name): value
        for name, value in asked.items()
        if name not in ("dry_run", "costs", "policy")
    }
    if costs := asked.get("costs"):
        found |= {
            "over_cost": costs["over"],
            "under_cost": costs["under"],
            "currency": costs["currency"],
        }
    return found
