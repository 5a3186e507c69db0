"""Background work: ``handler`` registers what does a kind of job, ``Progress`` is what a handler reports to."""

from apps.jobs.progress import Progress
from apps.jobs.registry import handler

__all__ = ["Progress", "handler"]
