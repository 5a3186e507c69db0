"""Which parts make up a version, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar


@dataclass(frozen=True, slots=True)
class Entry:
    """One Parquet part in a version.

    ``path`` is where it lies on this machine. ``columns`` are those of ``y`` and the covariates that it really gives.
    ``not_before`` (UTC) is the earliest time at which its rows count as known; None for a first upload. With ``reset``
    the rows of all earlier entries are gone from ``not_before`` on.
    """

    path: str
    columns: tuple[str, ...]
    not_before: datetime | None = None
    reset: bool = False

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Entry:
        """The entry that ``to_json`` wrote."""
        at = data.get("not_before")
        return cls(
            path=str(data["path"]),
            columns=tuple(data["columns"]),
            not_before=datetime.fromisoformat(at) if at else None,
            reset=bool(data.get("reset")),
        )

    def to_json(self) -> dict[str, Any]:
        """The entry as JSON values."""
        at = self.not_before.isoformat() if self.not_before else None
        return {"path": self.path, "columns": list(self.columns), "not_before": at, "reset": self.reset}


class _Part(Protocol):
    @property
    def reset(self) -> bool: ...


P = TypeVar("P", bound=_Part)


def standing(parts: Sequence[P]) -> Sequence[P]:
    """Those of a manifest's parts that what stands is made of: from the last reset on."""
    last = max((number for number, part in enumerate(parts) if part.reset), default=0)
    return parts[last:]
