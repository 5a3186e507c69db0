"""What a kind of source is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from apps.core.errors import FieldError
from apps.datasets.errors import SourceInvalid


@dataclass(frozen=True, slots=True)
class Field:
    """A setting of a kind, as forms and checks know it; ``secret`` ones are sealed."""

    name: str
    label: str
    help: str = ""
    required: bool = True
    secret: bool = False
    most: int = 500
    long: bool = False


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that came: where it lies, what it is called, and the marker by which the next fetch asks for what is new."""

    path: Path
    filename: str
    marker: dict[str, Any]


class Kind(Protocol):
    """A module under ``apps.datasets.sources``."""

    TITLE: str
    FIELDS: tuple[Field, ...]

    def check_config(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The settings, cleaned; raises ``SourceInvalid`` pointing at the field. Asks nobody."""
        ...

    def fetch(
        self,
        config: Mapping[str, Any],
        secret: Mapping[str, Any],
        into: Path,
        *,
        limit_bytes: int,
        marker: Mapping[str, Any],
    ) -> Fetched | None:
        """Write what is there to ``into``; None where nothing is new since ``marker``. Raises an ``AppError`` without any
        secret in it. On workers only."""
        ...


def checked(fields: tuple[Field, ...], config: Mapping[str, Any]) -> dict[str, str]:
    """The texts of the fields that are no secrets; raises ``SourceInvalid`` naming what is missing, unknown or too long."""
    plain = {field.name: field for field in fields if not field.secret}
    errors = [
        FieldError(
            "unknown_field",
            f"There is no setting {name[:40]!r}; there are {', '.join(plain)}.",
            f"/config/{name}",
        )
        for name in config.keys() - plain.keys()
    ]
    values: dict[str, str] = {}
    for name, field in plain.items():
        value = config.get(name, "")
        text = value.strip() if isinstance(value, str) else None
        if text is None or len(text) > field.most or "\0" in text:
            detail = f"{field.label} must be a text of at most {field.most} characters."
            errors.append(FieldError("not_a_text", detail, f"/config/{name}"))
        elif not text and field.required:
            errors.append(FieldError("required", f"{field.label} is missing.", f"/config/{name}"))
        else:
            values[name] = text
    if errors:
        raise SourceInvalid(first=errors[0].detail, errors=errors)
    return values


def refuse(name: str, detail: str) -> SourceInvalid:
    """The error that points at one setting."""
    return SourceInvalid(first=detail, errors=[FieldError("invalid", detail, f"/config/{name}")])
