"""Uploads are admitted before their bytes are read.

The server's entry (``config.rsgi``) first asks the application with the upload's head alone: the same environ with an
empty body and ``almanac.admission``, the length that was declared (None: unknown). 204 lets the body come, of at most
``almanac.limit`` bytes, and the request is then made again in full with ``almanac.admitted``. Any other answer is sent
in its place. No header can set these names: a header's name in the environ begins with ``HTTP_``.

A view says which of its methods take uploads, and what must hold for each:
``takes_uploads: ClassVar = {"POST": admission.new_dataset}`` on a class, ``@takes_uploads(POST=…)`` on a page. The check
is called with ``size`` (bytes of the file, None where unknown) and what the address names; it raises an ``AppError``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, cast

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.errors import AppError, Forbidden, Kind, NotFound
from apps.core.middleware import answer, unavailable

QUESTION: Final = "almanac.admission"
ADMITTED: Final = "almanac.admitted"
LIMIT: Final = "almanac.limit"
MULTIPART_BYTES: Final = 1024 * 1024  # what a form may wrap around its file

Check = Callable[..., None]
View = TypeVar("View", bound=Callable[..., HttpResponseBase])


class BodyTooLarge(AppError):
    """More bytes than an address takes that is no place for files."""

    kind = Kind.TOO_LARGE
    code = "too_large"
    title = "The body is too large"
    template = "At most {limit_bytes} bytes are taken here. Send less, or in parts."


def takes_uploads(**checks: Check) -> Callable[[View], View]:
    """Decorate a page with the methods that take a file, and what must hold before it may come."""

    def decorate(view: View) -> View:
        view.takes_uploads = checks  # type: ignore[attr-defined]
        return view

    return decorate


def was_admitted(request: HttpRequest) -> bool:
    """Whether this request was asked about before its body came, and so was counted then."""
    return ADMITTED in request.META


class AdmissionMiddleware:
    """Answers the entry's question, as the last one before the view: who may not write, hears it here."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """A question is no act, so it needs no form token; that stands in the body, and is checked when it comes."""
        if QUESTION in request.META:
            request.csrf_processing_done = True  # type: ignore[attr-defined]
            request.log_fields = {**getattr(request, "log_fields", {}), "admission": True}  # type: ignore[attr-defined]
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        """The answer to a question; None for requests as they are. A question never reaches the view."""
        if QUESTION not in request.META:
            return None
        try:
            view_class = getattr(view, "cls", None)
            if view_class is None:
                return _ask_page(request, view, kwargs)
            return cast("HttpResponseBase", _asking(view_class)(request, *args, **kwargs))
        except AppError as error:
            return answer(request, error)
        except (OperationalError, InterfaceError):
            return unavailable()


def _ask_page(request: HttpRequest, view: Callable[..., Any], names: Mapping[str, Any]) -> HttpResponseBase:
    permission = getattr(view, "required_permission", None)
    if getattr(request, "membership", None) is None or permission is None:
        raise NotFound(what="page for uploads", name=request.path[:80])
    if permission not in request.permissions:  # type: ignore[attr-defined]
        raise Forbidden(permission=permission)
    checks: Mapping[str, Check] = getattr(view, "takes_uploads", {})
    if checks and request.method not in checks:
        return HttpResponseNotAllowed(list(checks))
    _check(request, checks, names)
    return HttpResponse(status=204)


@functools.cache
def _asking(view_class: type[APIView]) -> Callable[..., Any]:
    """The API's view with nothing behind its methods: the framework refuses what it would refuse of the real one."""
    methods = [name for name in view_class.http_method_names if hasattr(view_class, name)]
    return type(view_class.__name__, (view_class,), dict.fromkeys(methods, _may_come)).as_view()  # type: ignore[attr-defined,no-any-return]


def _may_come(view: APIView, request: Request, **names: Any) -> Response:
    assert request.negotiator is not None, "the view made the request"
    if request.negotiator.select_parser(request, request.parsers or ()) is None:
        raise UnsupportedMediaType(str(request.content_type))
    _check(request._request, getattr(view, "takes_uploads", {}), names)
    return Response(status=204)


def _check(request: HttpRequest, checks: Mapping[str, Check], names: Mapping[str, Any]) -> None:
    declared: int | None = request.META[QUESTION]
    check = checks.get(str(request.method))
    if check is None:
        limit = int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0)
        if declared is not None and declared > limit:
            raise BodyTooLarge(limit_bytes=limit)
        request.META[LIMIT] = limit
        return
    wrapping = MULTIPART_BYTES if request.content_type == "multipart/form-data" else 0
    check(size=None if declared is None else max(0, declared - wrapping), **names)
    request.META[LIMIT] = settings.MAX_UPLOAD_BYTES + wrapping
