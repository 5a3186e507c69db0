"""Stripe's form encoding (`items[0][price]=price_1`) read into nested values, and checks on them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from .errors import InvalidRequest, missing

Params: TypeAlias = dict[str, Any]
_KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
_STEP = re.compile(r"\[([^\[\]]*)\]")
_DEEPEST = 8


def decode(encoded: str) -> Params:
    """Nested parameters of a form body or query string; `a[0]` and `a[]` become lists, `a[b]` a dict."""
    tree: Params = {}
    for key, value in parse_qsl(encoded, keep_blank_values=True):
        _insert(tree, _path_of(key), value)
    return {name: _as_lists(value) for name, value in tree.items()}


def _path_of(key: str) -> list[str]:
    match = _KEY.match(key)
    if match is None:
        raise InvalidRequest(f"Invalid parameter name: {key}", param=key)
    path = [match.group(1), *_STEP.findall(match.group(2))]
    if len(path) > _DEEPEST:
        raise InvalidRequest(f"Parameter nested too deeply: {key}", param=key)
    return path


def _insert(tree: Params, path: list[str], value: str) -> None:
    node = tree
    for position, raw in enumerate(path):
        step = str(len(node)) if position and raw == "" else raw
        if position == len(path) - 1:
            node[step] = value
            return
        child = node.setdefault(step, {})
        if not isinstance(child, dict):
            raise InvalidRequest(f"Invalid object: {path[0]}", param=path[0])
        node = child


def _as_lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(step.isdigit() for step in node):
        return [_as_lists(node[step]) for step in sorted(node, key=int)]
    return {step: _as_lists(child) for step, child in node.items()}


def refuse_unknown(params: Params, known: Iterable[str]) -> None:
    """Raise for the first parameter that is not among `known`."""
    for name in params:
        if name not in known:
            message = f"Received unknown parameter: {name} (or one that the simulator does not know)"
            raise InvalidRequest(message, code="parameter_unknown", param=name)


def required(params: Params, name: str) -> Any:
    """The parameter's value; raises when it is absent or empty."""
    value = params.get(name)
    if value in (None, "", [], {}):
        raise missing(name)
    return value


def integer(params: Params, name: str, default: int | None = None) -> int | None:
    """A whole number, or `default` when the parameter is absent."""
    value = params.get(name)
    if value in (None, ""):
        return default
    if not isinstance(value, str) or re.fullmatch(r"-?\d{1,15}", value) is None:
        raise InvalidRequest(f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)
    return int(value)


def boolean(params: Params, name: str, default: bool) -> bool:
    """`true` or `false`, or `default` when the parameter is absent."""
    value = params.get(name)
    if value in (None, ""):
        return default
    if value not in ("true", "false"):
        raise InvalidRequest(f"Invalid boolean: {value}", param=name)
    return bool(value == "true")


def mapping(params: Params, name: str) -> Params:
    """A nested object, empty when absent."""
    value = params.get(name) or {}
    if not isinstance(value, dict):
        raise InvalidRequest("Invalid object", param=name)
    return value


def sequence(params: Params, name: str) -> list[Any]:
    """A list, empty when absent."""
    value = params.get(name) or []
    if not isinstance(value, list):
        raise InvalidRequest("Invalid array", param=name)
    return value


def merged_metadata(current: dict[str, str], params: Params) -> dict[str, str]:
    """Metadata after the request: keys are added or replaced, an empty value removes its key."""
    if params.get("metadata") == "":
        return {}
    changes = mapping(params, "metadata")
    return {name: value for name, value in {**current, **changes}.items() if value != ""}
