"""Which events leave the house: only those that an app publishes, and of their data only the fields that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Published:
    """A type of event that programs of the tenant may hear of. ``example`` shows each field that goes out."""

    type: str
    description: str
    example: Mapping[str, Any]

    def shown(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """What of an event's data goes out."""
        return {name: data[name] for name in self.example if name in data}


_types: dict[str, Published] = {}


def publish(type: str, description: str, example: Mapping[str, Any]) -> None:
    """Let events of ``type`` go out with the fields of ``example``: ids and addresses, never data or secrets. For an app's
    ``AppConfig.ready``."""
    _types[type] = Published(type, description, example)


def find(type: str) -> Published | None:
    """The type, if it is published."""
    return _types.get(type)


def list_types() -> list[Published]:
    """All published types, by name."""
    return sorted(_types.values(), key=lambda each: each.type)
