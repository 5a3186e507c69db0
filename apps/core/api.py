"""What the REST endpoints share: pages of a list, by an opaque cursor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core import signing
from django.db.models import QuerySet
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
