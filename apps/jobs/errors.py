"""What can go wrong with a job."""

from __future__ import annotations

from apps.core.errors import AppError, Kind


class JobFinished(AppError):
    """Too late: the job has ended."""

    kind = Kind.CONFLICT
    code = "job_finished"
    title = "The job has ended"
    template = "The job {job_id} is already {state}."


class JobOpen(AppError):
    """Only what has ended can be tried again."""

    kind = Kind.CONFLICT
    code = "job_open"
    title = "The job has not ended"
    template = "The job {job_id} is still {state}. Cancel it first, or wait for its end."


class TryLater(Exception):
    """What a handler raises where something it needs is away: the job waits and no attempt is used up."""

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds
        self.reason = reason


class LeaseLost(Exception):
    """Another worker holds the job now, or it was cancelled: this one must stop and write nothing more."""


class JobRefused(Exception):
    """The job's tenant is not one for whom work is done; nothing is run, now or later."""


class MessageRefused(JobRefused):
    """The message does not belong to the job that it names; the job's own message will come."""


class ScheduleInvalid(AppError):
    """A cron expression or time zone that cannot be meant."""

    kind = Kind.UNPROCESSABLE
    code = "schedule_invalid"
    title = "The schedule is not valid"
    template = "{reason}"
