"""What can go wrong while the log is read."""

from __future__ import annotations

from apps.core.errors import AppError


class InvalidFilter(AppError):
    """What is asked for cannot be meant."""

    code = "invalid_filter"
    title = "The log cannot be filtered by that"
    template = "The parameter {name!r} must be {wanted}."
