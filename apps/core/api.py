"""What the REST endpoints share: bodies read strictly, and pages of a list by an opaque cursor."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any, NoReturn

from django.core import signing
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.errors import AppError, FieldError

DEFAULT_LIMIT = 50
MAX_LIMIT = 1000


class InvalidPage(AppError):
    """The page's parameters are not ours."""

    code = "invalid_page"
    title = "That page cannot be shown"
    template = "{detail}"


class InvalidParameter(AppError):
    """A parameter of the address cannot be meant."""

    code = "invalid_parameter"
    title = "A parameter of the address is not valid"
    template = "The parameter {name!r} holds a character that no text of ours has."


class JSONOnly(DefaultContentNegotiation):
    """For views that write files themselves: answers and errors are JSON, and ``?format=`` is the view's own."""

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002 - the signature is DRF's
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002
    ) -> tuple[BaseRenderer, str]:
        """The first renderer, whatever is asked for."""
        first = next(iter(renderers))
        return first, str(first.media_type)


class StrictJSONParser(JSONParser):
    """JSON as RFC 8259 has it, in UTF-8; what two readers would read differently is refused, never guessed.

    That is NaN and infinities, a name twice in one object, and text that is no Unicode or holds a NUL, which the
    database cannot keep.
    """

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002 - the signature is DRF's
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        """The body's value; raises ``ParseError``."""
        try:
            text = stream.read().decode("utf-8-sig")
            body = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_name_twice)
        except RecursionError:
            raise ParseError("The body is nested too deeply.") from None
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {str(error)[:200]}") from None
        if "\\u" in text and not all(_is_text(each) for each in _texts(body)):
            raise ParseError("The body holds a NUL or half a surrogate pair in a text.")
        return body


class Body(serializers.Serializer[Any]):
    """A JSON object that holds no other names than these."""

    def to_internal_value(self, data: Any) -> Any:
        """Raises DRF's ``ValidationError`` for names that nobody would read."""
        if isinstance(data, dict) and (unknown := sorted(set(data) - set(self.fields))):
            raise serializers.ValidationError(
                {
                    name: [f"There is no such field. The fields are: {', '.join(self.fields)}."]
                    for name in unknown
                }
            )
        return super().to_internal_value(data)


def read(body: type[Body], data: Any) -> dict[str, Any]:
    """The body's values; raises DRF's ``ValidationError``."""
    given = body(data=data)
    given.is_valid(raise_exception=True)
    values: dict[str, Any] = given.validated_data
    return values


def text_parameter(request: Request, name: str) -> str:
    """A parameter of the address, '' where it is not given; raises ``InvalidParameter``."""
    value = str(request.query_params.get(name, ""))
    if not _is_text(value):
        raise InvalidParameter(name=name)
    return value


def whole_parameter(request: Request, name: str, *, default: int = 0, most: int = 2**62) -> int:
    """A parameter of the address from 0 to ``most``; raises ``InvalidPage``."""
    text = text_parameter(request, name) or str(default)
    if text.isascii() and text.isdigit() and len(text) < 19 and int(text) <= most:
        return int(text)
    fault = FieldError("out_of_range", f"a whole number from 0 to {most}", pointer=f"?{name}")
    raise InvalidPage(detail=f"{name} must be a whole number from 0 to {most}.", errors=[fault])


def page(request: Request, rows: QuerySet[Any], show: Callable[[Any], dict[str, Any]]) -> Response:
    """``{"data": […], "pagination": {…}}`` of ``rows``, whose order is by ``created_at`` and ``id``, newest first."""
    limit = _limit(request)
    if cursor := request.query_params.get("cursor"):
        rows = rows.filter(id__lt=_position(cursor))
    found = list(rows[: limit + 1])
    has_more = len(found) > limit
    found = found[:limit]
    after = signing.dumps(str(found[-1].id), salt="cursor") if has_more else None
    response = Response(
        {"data": [show(row) for row in found], "pagination": {"next_cursor": after, "has_more": has_more}}
    )
    if after:
        query = request.query_params.copy()
        query["cursor"] = after
        response["Link"] = f'<{request.build_absolute_uri(request.path)}?{query.urlencode()}>; rel="next"'
    return response


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(DEFAULT_LIMIT))
    if text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= MAX_LIMIT:
        return int(text)
    fault = FieldError("out_of_range", f"a whole number from 1 to {MAX_LIMIT}", pointer="?limit")
    raise InvalidPage(detail=f"limit must be a whole number from 1 to {MAX_LIMIT}.", errors=[fault])


def _position(cursor: str) -> str:
    try:
        return str(signing.loads(cursor, salt="cursor"))
    except signing.BadSignature:
        raise InvalidPage(detail="The cursor is not one that this server gave out.") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice[:80]!r} stands twice in one object")
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _is_text(value: str) -> bool:
    return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
