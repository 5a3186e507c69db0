"""What `make up` shows while it works: numbered steps, how far each is, how long it took."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

BAR_WIDTH = 24


@dataclass
class Step:
    """One step in progress."""

    console: Console
    label: str
    began: float = field(default_factory=time.monotonic)
    shown: str = ""

    def progress(self, text: str, percent: float | None = None) -> None:
        """Show how far the step is; on a terminal in place, else one line a change of text."""
        bar = "" if percent is None else f" {_bar(percent)} {percent:3.0f} %"
        self.console.transient(f"{self.label}: {text}{bar}", changed=text != self.shown)
        self.shown = text


class Console:
    """Writes to standard output. Thread-unsafe: one event loop uses it."""

    def __init__(self, steps: int, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._steps = steps
        self._number = 0

    @contextmanager
    def step(self, label: str) -> Iterator[Step]:
        """A numbered step; its line is finished with the seconds it took, or left open when it fails."""
        self._number += 1
        step = Step(self, f"[{self._number}/{self._steps}] {label}")
        self.transient(step.label, changed=self._terminal)
        yield step
        self.line(f"{step.label} ✓ {time.monotonic() - step.began:.1f} s")

    def line(self, text: str = "") -> None:
        """A line that stays."""
        self._stream.write(f"{self._clear()}{text}\n")
        self._stream.flush()

    def transient(self, text: str, *, changed: bool = True) -> None:
        """A line that the next one replaces; without a terminal, a line when something `changed`."""
        if self._terminal:
            self._stream.write(f"{self._clear()}{text[: _columns() - 1]}")
        elif changed:
            self._stream.write(f"{text}\n")
        self._stream.flush()

    def _clear(self) -> str:
        return "\r\x1b[K" if self._terminal else ""


def _columns() -> int:
    try:
        return os.get_terminal_size().columns
    except OSError:
        return 80


def _bar(percent: float) -> str:
    full = round(BAR_WIDTH * max(0.0, min(100.0, percent)) / 100)
    return "█" * full + "░" * (BAR_WIDTH - full)
