"""Words that stand nowhere else: each belongs to tenants or people, and shows by itself where it does not belong."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from typing import Final

from apps.core.ids import NAMES, parse_public_id

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_ULID: Final = "[0-9a-hjkmnp-tv-z]{26}"
TOKEN: Final = re.compile(
    rf"zq[a-z]{{10}}|t_[a-z2-7]{{16}}|(?:{'|'.join(NAMES)})_{_ULID}|[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}"
)
PUBLIC_ID: Final = re.compile(rf"({'|'.join(NAMES)})_({_ULID})")


class Leak(AssertionError):
    """A canary stood where its owners are not."""


class Canaries:
    """Every word, id and schema name of the drill, with the realms (tenants, people) that may see it."""

    def __init__(self, seed: int) -> None:
        self.realms: dict[str, set[str]] = {}
        self._random = random.Random(seed)

    def word(self, *realms: str) -> str:
        """A new word of twelve letters; it survives in addresses, names, files, headers and JSON alike."""
        made = "zq" + "".join(self._random.choices(_LETTERS, k=10))
        self.realms[made] = set(realms)
        return made

    def claim(self, text: str, *realms: str) -> None:
        """``text`` (an id, a schema's name) belongs to the realms; so does the UUID inside a public id."""
        for name in self._forms(text):
            self.realms.setdefault(name, set()).update(realms)

    def share(self, text: str, *realms: str) -> None:
        """Further realms for every known token in ``text``."""
        for token in self.tokens(text):
            self.realms[token].update(realms)

    def learn(self, text: str, realm: str, but: Iterable[str]) -> None:
        """Ids in a tenant's own answer that nobody has claimed are the tenant's from now on."""
        for prefix, ulid in PUBLIC_ID.findall(text.lower()):
            name = f"{prefix}_{ulid}"
            if prefix not in ("usr", "ses") and name not in self.realms and name not in but:
                self.claim(name, realm)

    def tokens(self, text: str) -> set[str]:
        """The tokens in ``text`` that belong to somebody."""
        return {token for token in TOKEN.findall(text.lower()) if token in self.realms}

    def foreign(self, text: str, allowed: Iterable[str], echoed: Iterable[str] = ()) -> dict[str, set[str]]:
        """The tokens that none of the ``allowed`` realms may see, but for those that were asked with."""
        seen, told = set(allowed), set(echoed)
        return {
            token: self.realms[token]
            for token in self.tokens(text)
            if token not in told and not self.realms[token] & seen
        }

    def mixed(self, text: str) -> dict[str, set[str]]:
        """The tokens of a text that have no realm in common; empty where there is one."""
        found = {token: self.realms[token] for token in self.tokens(text)}
        return found if found and not set.intersection(*found.values()) else {}

    def _forms(self, text: str) -> list[str]:
        text = text.lower()
        match = PUBLIC_ID.fullmatch(text)
        return [text, str(parse_public_id(match[1], f"{match[1]}_{match[2].upper()}"))] if match else [text]


def excerpt(text: str, token: str) -> str:
    """What stands around a token."""
    at = text.lower().find(token)
    return " ".join(text[max(0, at - 150) : at + 150].split())
