"""What a format's reader gives, in one piece, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from apps.datasets.reading.contracts import Problem, Question, Unreadable

Opener = Callable[[Path, str, Mapping[str, str]], Any]


def whole(opener: Opener, path: Path, **choices: str) -> tuple[pl.DataFrame, list[int]]:
    """The table of the file at ``path`` and the numbers of its rows."""
    table = opener(path, path.name, choices)
    chunks = list(table.chunks())
    frame = pl.concat([chunk.frame for chunk in chunks])
    assert tuple(frame.columns) == table.columns
    return frame, [row for chunk in chunks for row in chunk.rows.to_list()]


def stopped(opener: Opener, path: Path, **choices: str) -> Unreadable:
    """What keeps the file from being read."""
    with pytest.raises(Unreadable) as caught:
        whole(opener, path, **choices)
    return caught.value


def problem_of(opener: Opener, path: Path, **choices: str) -> Problem:
    """The first problem of a file that is refused."""
    return stopped(opener, path, **choices).problems[0]


def question_of(opener: Opener, path: Path, **choices: str) -> Question:
    """The first question that a file leaves open."""
    return stopped(opener, path, **choices).questions[0]
