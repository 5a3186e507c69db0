"""The world in which every address is walked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contracts import world as worlds
from tests.contracts.world import World


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """acme and globex with a thing of every kind, committed once for all the lines."""
    with django_db_blocker.unblock(), worlds.built() as made:
        yield made
