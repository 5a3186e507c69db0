"""Brings every tenant that stands between two states to the next one; goes by state, never by what seems to exist."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import structlog

from tenants import erasing, provisioning
from tenants.models import Tenant, TenantErasure
from tenants.replay import OWNER

log = structlog.get_logger(__name__)
LOCK = "almanac.reconcile"


@dataclass(slots=True)
class Reconciled:
    """What a round did."""

    finished: int = 0
    erased: int = 0
    unfinished: int = 0


def reconcile() -> Reconciled:
    """One round: finish half-made schemas, erase tenants whose grace is over. A second process does nothing meanwhile.

    What fails is logged, left as it is, and tried again in the next round; it does not keep the others waiting.
    """
    done = Reconciled()
    with provisioning.advisory_lock(LOCK) as mine:
        if mine:
            done.finished = provisioning.finish_all()
            for tenant in erasing.list_due():
                _erase(tenant, done)
    return done


def _erase(tenant: Tenant, done: Reconciled) -> None:
    try:
        finished = erasing.erase(tenant).finished_at is not None
    except Exception:
        log.exception("erasure_failed", tenant=tenant.schema_name)
        finished = False
    if finished:
        done.erased += 1
    else:
        done.unfinished += 1


def erase(*, tenant_id: uuid.UUID) -> TenantErasure:
    """Erase one tenant whose grace is over now, after the round that may be under way. Raises ``WrongState``."""
    with provisioning.advisory_lock(LOCK, wait=True):
        return erasing.erase(Tenant.objects.using(OWNER).get(id=tenant_id))
