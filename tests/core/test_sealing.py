"""Stored secrets open for their tenant and purpose only, and survive a change of the installation's key."""

from __future__ import annotations

import os
import uuid
from typing import Any

import pytest

from apps.core import sealing
from apps.core.sealing import CannotOpen
from apps.core.tenancy import TenantKey

ACME = TenantKey(id=uuid.uuid4(), schema="t_" + "a" * 16)
GLOBEX = TenantKey(id=uuid.uuid4(), schema="t_" + "b" * 16)
PLAIN = b'{"password": "hidden"}'


def test_what_was_sealed_is_opened() -> None:
    sealed = sealing.seal(PLAIN, tenant=ACME, purpose="source")
    assert sealing.open_sealed(sealed, tenant=ACME, purpose="source") == PLAIN
    assert b"hidden" not in sealed
    assert sealed != sealing.seal(PLAIN, tenant=ACME, purpose="source")


@pytest.mark.parametrize(("tenant", "purpose"), [(GLOBEX, "source"), (ACME, "webhook")])
def test_another_tenant_or_purpose_does_not_open_it(tenant: TenantKey, purpose: str) -> None:
    sealed = sealing.seal(PLAIN, tenant=ACME, purpose="source")
    with pytest.raises(CannotOpen):
        sealing.open_sealed(sealed, tenant=tenant, purpose=purpose)


def test_no_byte_may_differ() -> None:
    sealed = sealing.seal(PLAIN, tenant=ACME, purpose="source")
    for place in range(len(sealed)):
        changed = bytes([*sealed[:place], sealed[place] ^ 1, *sealed[place + 1 :]])
        with pytest.raises(CannotOpen):
            sealing.open_sealed(changed, tenant=ACME, purpose="source")
    for length in range(len(sealed)):
        with pytest.raises(CannotOpen):
            sealing.open_sealed(sealed[:length], tenant=ACME, purpose="source")


def test_a_key_can_be_replaced(settings: Any) -> None:
    old, new = os.urandom(32), os.urandom(32)
    settings.SECRETS_KEYS = {1: old}
    sealed = sealing.seal(PLAIN, tenant=ACME, purpose="source")
    settings.SECRETS_KEYS = {1: old, 2: new}
    assert sealing.open_sealed(sealed, tenant=ACME, purpose="source") == PLAIN
    wrapped = sealing.rewrap(sealed, tenant=ACME, purpose="source")
    settings.SECRETS_KEYS = {2: new}
    assert sealing.open_sealed(wrapped, tenant=ACME, purpose="source") == PLAIN
    with pytest.raises(CannotOpen):
        sealing.open_sealed(sealed, tenant=ACME, purpose="source")
