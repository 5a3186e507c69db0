"""What can go wrong before a training starts."""

from __future__ import annotations

from apps.core.errors import AppError, Kind


class InvalidTraining(AppError):
    """A setting is out of range."""

    kind = Kind.UNPROCESSABLE
    code = "invalid_training"
    title = "The training cannot be started like this"
    template = "{reason}"
