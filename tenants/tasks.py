"""Periodic work of the tenants' life cycle."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from tenants import provisioning, reconciler


@shared_task(name="tenants.refill")
def refill() -> int:
    """Keep the warm pool full."""
    return provisioning.refill(size=settings.READY_TENANTS)


@shared_task(name="tenants.reconcile")
def reconcile() -> int:
    """Finish what was begun: schemas half made, tenants whose grace is over. Returns how many were erased."""
    return reconciler.reconcile().erased
