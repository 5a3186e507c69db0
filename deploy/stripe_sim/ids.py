"""Identifiers in Stripe's shapes."""

from __future__ import annotations

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
_SHAPES = {
    "bps": ("bps_1", 23),
    "cs": ("cs_test_a1", 56),
    "cus": ("cus_", 14),
    "evt": ("evt_1", 23),
    "ii": ("ii_1", 23),
    "il": ("il_1", 23),
    "in": ("in_1", 23),
    "price": ("price_1", 23),
    "prod": ("prod_", 14),
    "req": ("req_", 14),
    "si": ("si_", 14),
    "sub": ("sub_1", 23),
}


def new_id(kind: str) -> str:
    """A fresh random id of the kind, such as `cus_NffrFeUfNV2Hib` for `cus`."""
    prefix, length = _SHAPES[kind]
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))
