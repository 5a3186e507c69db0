"""The one kind of error that a person at the terminal sees: what is wrong, and what to do about it."""

from __future__ import annotations


class StartProblem(Exception):
    """A reason why the stack cannot start; `str()` is one line: what is wrong, then what to do."""

    def __init__(self, what: str, do: str) -> None:
        super().__init__(f"{what} {do}")
        self.what = what
        self.do = do
