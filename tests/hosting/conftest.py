"""Programs of acme, and hosts that end with the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apps.hosting.sandbox import pool
from tests.dashboard.conftest import member
from tests.forecasts.conftest import program

__all__ = ["member", "program"]


@pytest.fixture(autouse=True)
def no_hosts_left() -> Iterator[None]:
    """Each test begins without any."""
    yield
    pool.hosts.end_all()
