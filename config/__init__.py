"""Wiring: settings, URLs, entry points. The Celery app is imported here so that every process sends to our broker."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
