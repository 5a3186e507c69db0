"""What is wrong with a file or its answers, said by the child."""

from __future__ import annotations


class Fault(Exception):
    """``code`` for programs, ``detail`` a sentence that names cause and cure."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
