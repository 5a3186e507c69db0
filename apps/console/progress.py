"""How far a long command is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import Final

from django.core.management.base import OutputWrapper

WIDTH: Final = 32
LINE_SECONDS: Final = 5.0


class Progress:
    """Call ``show`` as often as you like; it writes no more than is worth reading."""

    def __init__(self, out: OutputWrapper, what: str) -> None:
        self._out, self._what = out, what
        self._terminal = out.isatty()
        self._started = self._shown = time.monotonic()

    def show(self, done: int, of: int, note: str = "") -> None:
        """``done`` steps of ``of``; on a terminal ten times a second, else every few seconds."""
        now = time.monotonic()
        pause = 0.1 if self._terminal else LINE_SECONDS
        if done < of and now - self._shown < pause:
            return
        self._shown = now
        self._out.write(
            self._bar(done, of, note) if self._terminal else self._line(done, of, note), ending=""
        )
        self._out.flush()

    def end(self) -> None:
        """Leave the bar's line."""
        if self._terminal:
            self._out.write("")

    def _bar(self, done: int, of: int, note: str) -> str:
        full = WIDTH * done // max(of, 1)
        return f"\r\033[K{self._what} [{'█' * full}{'·' * (WIDTH - full)}] {done}/{of} {note}"

    def _line(self, done: int, of: int, note: str) -> str:
        return (
            f"{self._what}: {done} of {of} after {time.monotonic() - self._started:.0f} s {note}".rstrip()
            + "\n"
        )
