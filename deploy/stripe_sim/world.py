"""What every resource works on: the store, the clock, and the record of events."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from . import API_VERSION
from .errors import NotFound
from .ids import new_id
from .store import Delivery, Resource, Store


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> int:
        """Unix seconds."""


class SystemClock:
    """The machine's own time."""

    def now(self) -> int:
        """Unix seconds."""
        return int(time.time())


@dataclass
class World:
    """One simulated Stripe account; `origin` is where its hosted pages stand, without a slash at the end."""

    store: Store
    clock: Clock
    origin: str
    sends_webhooks: bool = False
    request: dict[str, str | None] = field(default_factory=lambda: {"id": None, "idempotency_key": None})

    def now(self) -> int:
        """Unix seconds of the simulated account."""
        return self.clock.now()

    def get(self, kind: str, object_id: str, param: str = "id") -> Resource:
        """The object; raises NotFound, naming the parameter that pointed at it."""
        found = self.store.find(str(object_id), kind)
        if found is None:
            raise NotFound(kind, object_id, param)
        return found

    def emit(self, event_type: str, resource: Resource, previous: dict[str, Any] | None = None) -> Resource:
        """Record that something happened to the resource, as it is now, and owe it to the webhook."""
        data: dict[str, Any] = {"object": resource}
        if previous is not None:
            data["previous_attributes"] = previous
        event: Resource = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now(),
            "data": data,
            "livemode": False,
            "pending_webhooks": 1 if self.sends_webhooks else 0,
            "request": dict(self.request),
            "type": event_type,
        }
        self.store.put(event)
        if self.sends_webhooks:
            moment = time.time()
            self.store.owe(Delivery(event_id=event["id"], attempt=0, due=moment, created=moment))
        return event

    def replace(self, event_type: str, before: Resource, after: Resource) -> Resource:
        """Store `after` and emit the event with the fields that changed; no event when nothing did."""
        previous = {name: value for name, value in before.items() if after.get(name) != value}
        if after == before:
            return after
        self.store.put(after)
        self.emit(event_type, after, previous)
        return after
