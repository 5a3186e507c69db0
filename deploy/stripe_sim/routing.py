"""How a resource declares its endpoints, and what all lists have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from .errors import InvalidRequest, NotFound
from .params import Params, integer, refuse_unknown, sequence
from .store import Resource
from .world import World

_LIST_PARAMS = ("limit", "starting_after", "ending_before", "expand")
_EXPAND_DEPTH = 4


@dataclass(frozen=True)
class Call:
    """One API call: the decoded parameters and the ids in the path."""

    params: Params
    ids: dict[str, str]
    path: str


Handler: TypeAlias = Callable[[World, Call], Resource]


@dataclass(frozen=True)
class Route:
    """`accepts` are the top-level parameters that the simulator understands; any other is refused."""

    method: str
    path: str
    handler: Handler
    accepts: tuple[str, ...] = ()

    def answer(self, world: World, call: Call) -> Resource:
        """Check the parameters, run the handler, expand what was asked for."""
        refuse_unknown(call.params, (*self.accepts, *_LIST_PARAMS))
        answer = self.handler(world, call)
        for wanted in sequence(call.params, "expand"):
            _expand(world, answer, str(wanted).split(".")[:_EXPAND_DEPTH])
        return answer


def page(call: Call, found: list[Resource]) -> Resource:
    """One page of `found` (newest first) as Stripe's list object."""
    limit = integer(call.params, "limit", 10) or 0
    if not 1 <= limit <= 100:
        raise InvalidRequest("Invalid integer: limit must be from 1 to 100", param="limit")
    start, stop = 0, len(found)
    if after := call.params.get("starting_after"):
        start = _position(found, str(after), "starting_after") + 1
    if before := call.params.get("ending_before"):
        stop = _position(found, str(before), "ending_before")
        start = max(start, stop - limit)
    shown = found[start:stop][:limit]
    more = start > 0 if call.params.get("ending_before") else start + limit < stop
    return listing(shown, call.path, has_more=more)


def listing(data: list[Resource], url: str, *, has_more: bool = False) -> Resource:
    """Stripe's list object."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def _position(found: list[Resource], object_id: str, param: str) -> int:
    for position, item in enumerate(found):
        if item["id"] == object_id:
            return position
    raise NotFound("object", object_id, param)


def _expand(world: World, node: Any, path: list[str]) -> None:
    if isinstance(node, list):
        for item in node:
            _expand(world, item, path)
        return
    if not path or not isinstance(node, dict):
        return
    name, rest = path[0], path[1:]
    if name not in node:
        raise InvalidRequest(f"This property cannot be expanded ({name}).", param="expand")
    if isinstance(node[name], str):
        node[name] = world.store.find(node[name]) or node[name]
    _expand(world, node[name], rest)
