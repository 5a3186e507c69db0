"""What can go wrong before a training starts, and with what it leaves behind."""

from __future__ import annotations

from apps.core.errors import AppError, Kind


class InvalidTraining(AppError):
    """Settings are out of range; ``errors`` names each field."""

    kind = Kind.UNPROCESSABLE
    code = "invalid_training"
    title = "The training cannot be started like this"
    template = "{reason}"


class TrainingOverBudget(AppError):
    """It would take longer than one job may."""

    kind = Kind.UNPROCESSABLE
    code = "training_over_budget"
    title = "The training would take too long"
    template = (
        "This training would take about {seconds:.0f} s, but one may take {limit:.0f} s at most. Choose less effort, fewer "
        "candidates, or a time budget, within which the best that fits is trained."
    )


class NoBacktest(AppError):
    """The run kept no forecasts of the past."""

    kind = Kind.CONFLICT
    code = "no_backtest"
    title = "There is no backtest to show"
    template = "The training run {run} has no backtest: {reason}."


class RunInUse(AppError):
    """A run that is under way, or that made a version which is still there."""

    kind = Kind.CONFLICT
    code = "training_run_in_use"
    title = "The training run is needed"
    template = "The training run {run} cannot be deleted: {reason}."


class PolicyInvalid(AppError):
    """A policy that would never do anything, or cannot."""

    kind = Kind.UNPROCESSABLE
    code = "training_policy_invalid"
    title = "The training policy cannot be kept like this"
    template = "{reason}"
