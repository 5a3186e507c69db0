"""Celery: how work reaches the workers. What a job is stands in ``apps.jobs``."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")

from celery import Celery, signals
from django.conf import settings

app = Celery("almanac")
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL,
    broker_connection_retry_on_startup=True,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_default_queue="default",
    task_create_missing_queues=True,
    worker_prefetch_multiplier=1,
    # Native libraries keep what they allocated; a fresh child now and then gives it back.
    worker_max_tasks_per_child=50,
    worker_hijack_root_logger=False,
    beat_schedule={
        "jobs.sweep": {"task": "jobs.sweep", "schedule": 5.0, "options": {"queue": "default", "expires": 5}},
        "tenants.refill": {"task": "tenants.refill", "schedule": 30.0, "options": {"queue": "default", "expires": 30}},
    },
)
app.autodiscover_tasks()


@signals.setup_logging.connect
def keep_our_logging(**_kwargs: object) -> None:
    """Celery leaves logging as the settings set it up."""
