"""What must hold before a model's file may come: asked by ``apps.core.admission`` before its bytes are read."""

from __future__ import annotations

from typing import Any, Final

from apps.hosting.errors import ModelFileTooLarge

MAX_BYTES: Final = 200 * 1024 * 1024


def new_model(*, size: int | None, **_names: Any) -> None:
    """Raises ``ModelFileTooLarge``."""
    if size is not None and size > MAX_BYTES:
        raise ModelFileTooLarge(limit_bytes=MAX_BYTES)
