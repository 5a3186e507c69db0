"""What every request passes: a request id and a log line, errors in one shape, the content security policy."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from apps.core import holding, problems, request_context
from apps.core.errors import AppError
from apps.core.request_context import Actor, RequestContext

log = structlog.get_logger("almanac.access")
Next = Callable[[HttpRequest], HttpResponseBase]
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{8,80}")
_API_KEY = re.compile(r"alm_(?:rk_)?(?:live|test)_\w{8,}")  # what is kept of a request must not hold one
_SILENT = ("/livez", "/readyz", "/static/")


class RequestContextMiddleware:
    """Gives the request an id (the caller's when it is well-formed), binds it to every log line, writes the access line."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with ``X-Request-ID`` set."""
        began = time.perf_counter()
        given = request.headers.get("X-Request-ID", "")
        well_formed = _REQUEST_ID.fullmatch(given) and not _API_KEY.search(given)
        request_id = given if well_formed else request_context.new_request_id()
        context = RequestContext(
            request_id=request_id,
            actor=Actor("anonymous", "", "anonymous"),
            ip=request.META.get("REMOTE_ADDR") or None,
            user_agent=_API_KEY.sub("[key]", request.headers.get("User-Agent", "")[:300]),
        )
        structlog.contextvars.clear_contextvars()
        with request_context.bind(context), structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            response["X-Request-ID"] = request_id
            self._log(request, response, began)
        return response

    def _log(self, request: HttpRequest, response: HttpResponseBase, began: float) -> None:
        if request.path.startswith(_SILENT) or holding.is_again(request):
            return
        match = request.resolver_match
        log.info(
            "request",
            method=request.method,
            route=match.route if match else request.path[:200],
            status=response.status_code,
            duration_ms=round((time.perf_counter() - began) * 1000, 1),
            **getattr(request, "log_fields", {}),
        )


class ProblemMiddleware:
    """Turns exceptions of pages and of other middleware into a problem document or a page that says what happened."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """The framework's bare error answers to programs become problem documents."""
        response = self.get_response(request)
        plain = not response.headers.get("Content-Type", "").startswith("application/")
        if response.status_code >= 400 and plain and problems.wants_json(request):
            status = response.status_code
            detail = (
                getattr(response, "reason_phrase", "") or problems.FRAMEWORK.get(status, ("", "Error"))[1]
            )
            return problems.response(problems.of_status(status, detail))
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Called for exceptions of views; None hands the exception on to Django."""
        if isinstance(exception, AppError):
            return answer(request, exception)
        if isinstance(exception, (OperationalError, InterfaceError)):
            structlog.get_logger(__name__).error("database_unavailable", error=str(exception))
            return unavailable()
        if isinstance(
            exception, (Http404, SuspiciousOperation, RequestDataTooBig)
        ) or not problems.wants_json(request):
            return None
        structlog.get_logger(__name__).exception("request_crashed")
        return problems.response(problems.of_status(500, "The failure is logged under the request id."))


class ContentSecurityPolicyMiddleware:
    """Everything from our own origin, nothing inline. A view may widen ``form-action`` by ``response.form_action``."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Set the header where the view set none."""
        response = self.get_response(request)
        port = "" if settings.PUBLIC_PORT in (80, 443) else f":{settings.PUBLIC_PORT}"
        hosts = " ".join(f"{settings.SCHEME}://{star}{settings.BASE_DOMAIN}{port}" for star in ("", "*."))
        form_action = " ".join(("'self'", hosts, *getattr(response, "form_action", ())))
        response.headers.setdefault(
            "Content-Security-Policy",
            "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
            f"form-action {form_action}",
        )
        return response


def answer(request: HttpRequest, error: AppError) -> HttpResponse:
    """The answer to one of our own errors: a problem document for programs, a page for people."""
    if problems.wants_json(request):
        return problems.of_app_error(error)
    status = problems.STATUS[error.kind]
    page = render(request, "errors/problem.html", {"error": error, "status": status}, status=status)
    if error.retry_after_seconds:
        page["Retry-After"] = str(error.retry_after_seconds)
    return page


def unavailable() -> HttpResponse:
    """The database is away: say so and when to come back."""
    body = problems.of_status(
        503, "The database does not answer. Nothing was changed; try again in a few seconds."
    )
    return problems.response(body, 5)
