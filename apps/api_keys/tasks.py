"""Periodic work about keys."""

from __future__ import annotations

from celery import shared_task

from apps.api_keys import expiry


@shared_task(name="api_keys.tell_expiring")
def tell_expiring() -> int:
    """Tell people of keys that end soon."""
    return expiry.tell_of_keys_that_end_soon()
