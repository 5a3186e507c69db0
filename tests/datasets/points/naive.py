"""What was known when, by the slowest way there is: every word is kept and repeated in order for each question."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

COLUMNS = ("y", "price", "weather")
COVARIATES = ("price",)
LONG_AGO = datetime(1, 1, 1)

Time = datetime | int
Key = tuple[str, Time]
Values = dict[str, float | None]


@dataclass(frozen=True)
class Row:
    """What a file or a request says: ``values`` has only the columns that it gives."""

    unique_id: str
    ds: Time
    values: Values
    known_at: datetime | None = None


@dataclass(frozen=True)
class Word:
    """Something said of a key: from ``at`` on (None: at its own time), after all words of a smaller ``turn``."""

    key: Key
    at: datetime | None
    turn: tuple[object, ...]
    values: Values | None


@dataclass
class Notebook:
    """All words in the order in which they were said, and when everything before was taken back."""

    pages: list[tuple[datetime | None, list[Word]]] = field(default_factory=lambda: [(None, [])])
    turns: int = 0

    def upload(self, rows: Iterable[Row], now: datetime | None) -> None:
        """A file: the first one, or (with ``now``) one that replaces all there was. Equal rows stay side by side."""
        if now is not None:
            self.pages.append((now, []))
        self._say(rows, now, apart=False)

    def append(self, rows: Iterable[Row], now: datetime) -> None:
        """Rows on top, each as if it had come alone."""
        self._say(rows, now, apart=True)

    def delete(self, series: set[str] | None, start: Time, end: Time, now: datetime) -> None:
        """A range goes away, now and whenever something of it was to come."""
        self.turns += 1
        for word in list(self.pages[-1][1]):
            if (series is None or word.key[0] in series) and start <= word.key[1] <= end:
                times = {now} | ({word.at} if word.at and word.at > now else set())
                self.pages[-1][1].extend(Word(word.key, at, (self.turns,), None) for at in times)

    def restore(self, other: Notebook, now: datetime) -> None:
        """What another notebook says on its last page is said again now."""
        words = [
            replace(word, at=max(word.at or now, now), turn=(self.turns + 1, number, *word.turn))
            for number, word in enumerate(sorted(other.pages[-1][1], key=_order))
        ]
        self.turns += 1
        # Words of one upload that stood side by side still do: they share their turn.
        shared: dict[tuple[object, ...], tuple[object, ...]] = {}
        words = [
            replace(word, turn=shared.setdefault((word.key, *word.turn[2:]), word.turn)) for word in words
        ]
        self.pages.append((now, words))

    def known(self, at: datetime | None) -> dict[Key, list[Values]]:
        """The rows of each key at ``at`` (None: at the end of time), nothing hidden."""
        pages = [words for begins, words in self.pages if at is None or begins is None or begins <= at]
        states: dict[Key, list[Values]] = {}
        groups: dict[Key, dict[tuple[object, ...], list[Word]]] = defaultdict(dict)
        for word in sorted(pages[-1], key=_order):
            if at is None or word.at is None or word.at <= at:
                groups[word.key].setdefault((word.at, word.turn), []).append(word)
        for key, each in groups.items():
            state: list[Values] = []
            for words in each.values():
                before = state[-1] if state else dict.fromkeys(COLUMNS)
                state = [{**before, **word.values} for word in words if word.values is not None]
            if state:
                states[key] = state
        return states

    def seen(self, at: datetime) -> dict[Key, list[Values]]:
        """``known`` with what nobody can know at ``at`` hidden."""
        states = self.known(at)
        return {key: kept for key, rows in states.items() if (kept := _hidden(key, rows, at))}

    def copy(self) -> Notebook:
        """As it is now."""
        return Notebook([(at, list(words)) for at, words in self.pages], self.turns)

    def _say(self, rows: Iterable[Row], now: datetime | None, *, apart: bool) -> None:
        self.turns += 1
        for number, row in enumerate(rows):
            at = max(row.known_at or now, now) if now else row.known_at
            turn = (self.turns, row.known_at or LONG_AGO, number if apart else 0)
            self.pages[-1][1].append(Word((row.unique_id, row.ds), at, turn, row.values))


def _order(word: Word) -> tuple[object, ...]:
    return (word.at or LONG_AGO, word.turn)


def _hidden(key: Key, rows: list[Values], at: datetime) -> list[Values]:
    if isinstance(key[1], int) or key[1] <= at:
        return rows
    future = [{name: row[name] if name in COVARIATES else None for name in COLUMNS} for row in rows]
    return [row for row in future if any(value is not None for value in row.values())]
