"""What can go wrong with models."""

from __future__ import annotations

from apps.core.errors import AppError, Kind


class ModelNameTaken(AppError):
    """The name belongs to a model of another data set."""

    kind = Kind.CONFLICT
    code = "model_name_taken"
    title = "That model name is taken"
    template = "The model {name!r} forecasts the data set {dataset!r}. Choose another name."
