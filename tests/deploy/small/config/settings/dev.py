"""Celery looks for settings where the environment says they are."""

SECRET_KEY = "small"
INSTALLED_APPS: list[str] = []
USE_TZ = True
