"""What a line of the table of addresses says, and how it becomes a path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

PUBLIC: Final = "config.urls_public"
TENANT: Final = "config.urls_tenant"
API_PREFIX: Final = "v1/"
_PLACE: Final = re.compile(r"<(?:\w+:)?(\w+)>")
Kind = Literal["open", "person", "operator", "stripe", "key", "scope", "permission"]


@dataclass(frozen=True, slots=True)
class Of:
    """A place in an address, a body or a query where the id of a thing of one tenant stands.

    ``kind`` is an entry of ``Side.things``; ``foreign`` is how another tenant's id, and one of nothing, is answered.
    A ``secret`` (the token of a link) opens to whoever holds it, so it is not tried with another tenant's.
    """

    kind: str
    foreign: int = 404
    secret: bool = False


@dataclass(frozen=True, slots=True)
class File:
    """A file in a form."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Needs:
    """Who may: everybody, somebody logged in, the operator, Stripe, any key, a key with a scope, a role with a permission."""

    kind: Kind
    name: str = ""


OPEN: Final = Needs("open")
PERSON: Final = Needs("person")
OPERATOR: Final = Needs("operator")
STRIPE: Final = Needs("stripe")
KEY: Final = Needs("key")


@dataclass(frozen=True, slots=True)
class Line:
    """One address with the methods that answer alike.

    ``of`` says what each place of the pattern is filled with: an ``Of``, or text that belongs to nobody. ``form``,
    ``json`` and ``query`` make a call that is answered with one of ``right``, by ``person`` where somebody must be
    logged in on the bare host. ``path`` replaces a pattern that is an expression. ``closing`` is how it answers a right
    call while the tenant waits to be erased, where it answers at all. ``token``: asks for a form's token.
    ``heavy``: a right call takes a second, so one role makes it, and the others an empty one.
    """

    urlconf: str
    methods: tuple[str, ...]
    pattern: str
    needs: Needs
    right: tuple[int, ...] = (200,)
    of: Mapping[str, Of | str] = field(default_factory=dict)
    form: Mapping[str, Any] | None = None
    json: Any = None
    query: Mapping[str, Of | str] = field(default_factory=dict)
    path: str = ""
    person: str = "owner"
    closing: int = 0
    token: bool = True
    heavy: bool = False

    def __str__(self) -> str:
        return f"{'/'.join(self.methods)} {self.urlconf.rpartition('_')[2]}:{self.pattern}"

    @property
    def is_api(self) -> bool:
        """Whether a key opens it."""
        return self.pattern.startswith(API_PREFIX)

    @property
    def urlconfs(self) -> tuple[str, ...]:
        """Where it stands: the API is the same on every host."""
        return (PUBLIC, TENANT) if self.is_api else (self.urlconf,)

    @property
    def writes(self) -> bool:
        """Whether a call may change something."""
        return self.methods != ("GET",)

    def fill(self, values: Mapping[str, str]) -> str:
        """The path with a value in each place."""
        return "/" + (self.path or _PLACE.sub(lambda found: values[found[1]], self.pattern))

    def places(self) -> Iterator[tuple[str, Of]]:
        """Every place where an id stands, each with a name that ``with_value`` knows again."""
        for where, held in (
            ("of", self.of),
            ("query", self.query),
            ("form", self.form or {}),
            ("json", self.json or {}),
        ):
            yield from _places(where, held)


def _places(name: str, held: Any) -> Iterator[tuple[str, Of]]:
    if isinstance(held, Of) and not held.secret:
        yield name, held
    elif isinstance(held, Mapping):
        for key, inner in held.items():
            yield from _places(f"{name}/{key}", inner)
    elif isinstance(held, list | tuple):
        for number, inner in enumerate(held):
            yield from _places(f"{name}/{number}", inner)


def resolve(name: str, held: Any, things: Mapping[str, str], instead: Mapping[str, str]) -> Any:
    """``held`` with each ``Of`` replaced by the tenant's thing of that kind, or by what ``instead`` gives for its place."""
    if isinstance(held, Of):
        return instead[name] if name in instead else things[held.kind]
    if isinstance(held, Mapping):
        return {key: resolve(f"{name}/{key}", inner, things, instead) for key, inner in held.items()}
    if isinstance(held, list | tuple):
        return [resolve(f"{name}/{number}", inner, things, instead) for number, inner in enumerate(held)]
    return held


def api(
    methods: str, pattern: str, needs: Needs | str, right: int | tuple[int, ...] = 200, **more: Any
) -> Line:
    """An endpoint; ``needs`` is a scope, or ``KEY``."""
    who = needs if isinstance(needs, Needs) else Needs("scope", needs)
    return Line(PUBLIC, tuple(methods.split()), f"{API_PREFIX}{pattern}", who, _right(right), **more)


def page(
    methods: str, pattern: str, needs: Needs | str, right: int | tuple[int, ...] = 200, **more: Any
) -> Line:
    """A page of a tenant's host; ``needs`` is a permission, or ``OPEN``."""
    who = needs if isinstance(needs, Needs) else Needs("permission", needs)
    return Line(TENANT, tuple(methods.split()), pattern, who, _right(right), **more)


def bare(methods: str, pattern: str, needs: Needs, right: int | tuple[int, ...] = 200, **more: Any) -> Line:
    """A page of the bare host."""
    return Line(PUBLIC, tuple(methods.split()), pattern, needs, _right(right), **more)


def _right(right: int | tuple[int, ...]) -> tuple[int, ...]:
    return right if isinstance(right, tuple) else (right,)
