"""What can go wrong with a forecast."""

from __future__ import annotations

from apps.core.errors import AppError, Kind


class InvalidForecast(AppError):
    """The request's body does not fit; ``errors`` points at the fields."""

    kind = Kind.UNPROCESSABLE
    code = "invalid_forecast"
    title = "The forecast cannot be made like this"
    template = "{count} field(s) of the request are not valid: {first}"


class ForecastTooLarge(AppError):
    """More points than one synchronous answer carries."""

    kind = Kind.TOO_LARGE
    code = "forecast_too_large"
    title = "Too many points for one answer"
    template = "The request asks for {points} points, one answer carries {limit}. Ask for fewer series or a shorter horizon."
