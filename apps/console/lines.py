"""What a long command is doing at the moment."""

from __future__ import annotations

import time
from typing import Final, TextIO

from django.core.management.base import OutputWrapper

LINE_SECONDS: Final = 2.0


class Lines:
    """Shows what is being done: in place on a terminal, else a line now and then."""

    def __init__(self, out: TextIO | OutputWrapper) -> None:
        self._out, self._shown = out, 0.0
        self._terminal = out.isatty()

    def __call__(self, text: str) -> None:
        """Show ``text`` unless the last one is too young to have been read."""
        now = time.monotonic()
        if now - self._shown < (0.1 if self._terminal else LINE_SECONDS):
            return
        self._shown = now
        self._write(f"\r\033[K{text[:100]}" if self._terminal else f"{text}\n")

    def end(self) -> None:
        """Clear the line."""
        if self._terminal:
            self._write("\r\033[K")

    def _write(self, text: str) -> None:
        if isinstance(self._out, OutputWrapper):  # it would end each line
            self._out.write(text, ending="")
        else:
            self._out.write(text)
        self._out.flush()
