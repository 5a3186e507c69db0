"""Semantic versions: how much changed, told by the number alone.

Major: programs that ask may have to change (frequency, horizon, levels, covariates, or the columns that name a series).
Minor: trained again. Patch: new points were brought into the version with that major and minor.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

_TEXT: Final = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})")


class Semver(NamedTuple):
    """Ordered as such versions are."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


FIRST: Final = Semver(1, 0, 0)


def parse(text: str) -> Semver | None:
    """``"1.2.0"`` as numbers; None for what is no such text."""
    found = _TEXT.fullmatch(text)
    return Semver(*map(int, found.groups())) if found else None


def following(given: Iterable[str], before: str | None, *, breaks: bool, refreshes: bool) -> str:
    """The version after ``before``, which none of those ``given`` so far has.

    ``breaks``: its schema is another one; ``refreshes``: it is ``before`` with new points. None before: the first.
    """
    taken = {found for text in given if (found := parse(text))}
    last = parse(before) if before else None
    if last is None:
        major = max((each.major for each in taken), default=0) + 1
        return str(Semver(major, 0, 0))
    if breaks:
        return str(Semver(max(each.major for each in taken | {last}) + 1, 0, 0))
    if refreshes:
        line = [each.patch for each in taken | {last} if each[:2] == last[:2]]
        return str(last._replace(patch=max(line) + 1))
    minors = [each.minor for each in taken | {last} if each.major == last.major]
    return str(Semver(last.major, max(minors) + 1, 0))


def differs(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The names of what two schemas say differently; what only one of them knows is no difference."""
    return sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
