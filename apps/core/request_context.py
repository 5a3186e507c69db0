"""Who asks, from where, under which request id: read by the audit log, the ledger and the log lines."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

ActorType = Literal["user", "key", "system", "operator", "anonymous"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: ``id`` is a user's or key's id as text, ``label`` what a person recognises (e-mail, key name)."""

    type: ActorType = "system"
    id: str = ""
    label: str = "system"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The circumstances of the work in hand."""

    request_id: str = ""
    actor: Actor = Actor()
    ip: str | None = None
    user_agent: str = ""


NOTHING = RequestContext()
_variable: contextvars.ContextVar[RequestContext] = contextvars.ContextVar("almanac_request", default=NOTHING)


def current() -> RequestContext:
    """The context in force; an empty one with the actor 'system' outside any request."""
    return _variable.get()


def new_request_id() -> str:
    """A request id of our own making: ``req_`` and 32 hex digits."""
    return f"req_{uuid.uuid4().hex}"


@contextlib.contextmanager
def bind(context: RequestContext) -> Iterator[RequestContext]:
    """Make ``context`` the current one inside the block."""
    token = _variable.set(context)
    try:
        yield context
    finally:
        _variable.reset(token)


def act_as(actor: Actor) -> contextlib.AbstractContextManager[RequestContext]:
    """The current context with another actor: ``with act_as(Actor("user", …)):``."""
    return bind(dataclasses.replace(current(), actor=actor))
