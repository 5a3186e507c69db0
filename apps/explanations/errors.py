"""What can go wrong before an explanation is made."""

from __future__ import annotations

from apps.core.errors import AppError, Kind


class NoSuchPoint(AppError):
    """The forecast has no such series or step."""

    kind = Kind.UNPROCESSABLE
    code = "no_such_point"
    title = "The forecast has no such point"
    template = (
        "The forecast {forecast_id} has no step {step} of series {series_id!r}; it has {horizon} steps."
    )
