"""Fields that an answer carries though the simulator has nothing to say in them, as Stripe's answers do."""

from __future__ import annotations

from typing import Any


def nulls(names: str) -> dict[str, Any]:
    """The names, parted by blanks, each with None."""
    return dict.fromkeys(names.split())


def zeros(names: str) -> dict[str, Any]:
    """The names, parted by blanks, each with 0."""
    return dict.fromkeys(names.split(), 0)


def empties(names: str) -> dict[str, Any]:
    """The names, parted by blanks, each with an empty list of its own."""
    return {name: [] for name in names.split()}
