"""The drill's log and its clean slate."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.isolation.asking import outbox_emptied
from tests.isolation.watching import LogLines
from tests.training.conftest import mlflow

__all__ = ["mlflow"]


@pytest.fixture
def log() -> Iterator[LogLines]:
    """Everything that is logged, from informative lines on."""
    handler, root = LogLines(), logging.getLogger()
    before, root.handlers[:] = (root.level, [*root.handlers]), [handler]
    root.setLevel(logging.INFO)
    yield handler
    root.setLevel(before[0])
    root.handlers[:] = before[1]


@pytest.fixture
def stage(committed: None, log: LogLines, settings: Any) -> Iterator[LogLines]:
    """Committed data, an empty outbox, and the log; emptied afterwards."""
    with outbox_emptied():
        yield log
