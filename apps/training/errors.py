"""What can go wrong before a training starts."""

from __future__ import annotations

from apps.core.errors import AppError, Kind


class InvalidTraining(AppError):
    """A setting is out of range."""

    kind = Kind.UNPROCESSABLE
    code = "invalid_training"
    title = "The training cannot be started like this"
    template = "{reason}"


class ModelNameTaken(AppError):
    """The name belongs to a model of another data set."""

    kind = Kind.CONFLICT
    code = "model_name_taken"
    title = "That model name is taken"
    template = "The model {name!r} forecasts the data set {dataset!r}. Choose another name."
