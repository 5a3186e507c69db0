"""How a tenant is named outside ORM code: cache keys, storage paths, MLflow names, task messages, metrics."""

from __future__ import annotations

import re
import secrets
import uuid
from dataclasses import dataclass

SCHEMA_NAME = re.compile(r"t_[a-z2-7]{16}")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True, slots=True)
class TenantKey:
    """A tenant's identity: its row's id, and the name that its schema and PostgreSQL role share."""

    id: uuid.UUID
    schema: str

    def __post_init__(self) -> None:
        if not SCHEMA_NAME.fullmatch(self.schema):
            raise ValueError(f"not a tenant schema: {self.schema!r}")

    def __str__(self) -> str:
        return self.schema


def new_schema_name() -> str:
    """A fresh schema name: ``t_`` and 80 random bits in base32, never text that a user chose."""
    return "t_" + "".join(secrets.choice(_ALPHABET) for _ in range(16))
