"""Errors on their way out: every one leaves as RFC 9457 ``application/problem+json``, whoever raised it."""

from __future__ import annotations

from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions as drf
from rest_framework.response import Response

from apps.core import request_context
from apps.core.errors import AppError, FieldError, Kind, RateLimited

log = structlog.get_logger(__name__)

STATUS: dict[Kind, int] = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.PAYMENT_REQUIRED: 402,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.TOO_LARGE: 413,
    Kind.UNSUPPORTED: 415,
    Kind.UNPROCESSABLE: 422,
    Kind.RATE_LIMITED: 429,
    Kind.INTERNAL: 500,
    Kind.UNAVAILABLE: 503,
}
TYPES = {
    RateLimited.code: "https://iana.org/assignments/http-problem-types#quota-exceeded",
    "api_key_rate_limited": "https://iana.org/assignments/http-problem-types#quota-exceeded",
}
DOCUMENTATION = "/docs/problems#"
# What the framework raises by itself: status -> (code, title).
FRAMEWORK = {
    400: ("invalid", "The request is not valid"),
    401: ("unauthenticated", "No valid API key"),
    403: ("forbidden", "Not allowed"),
    404: ("not_found", "Not found"),
    405: ("method_not_allowed", "The method is not allowed here"),
    406: ("not_acceptable", "No such representation"),
    413: ("too_large", "The body is too large"),
    415: ("unsupported_media_type", "The body's type is not supported"),
    429: ("rate_limited", "Too many requests"),
    500: ("internal", "Something failed on our side"),
    503: ("unavailable", "Not available for the moment"),
}


def document(
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    errors: list[FieldError] | None = None,
    retryable: bool = False,
) -> dict[str, Any]:
    """The members of a problem document."""
    body: dict[str, Any] = {
        "type": TYPES.get(code, DOCUMENTATION + code),
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_context.current().request_id,
        "retryable": retryable or status in (429, 503),
    }
    if errors:
        body["errors"] = [error.as_json() for error in errors]
    return body


def of_error(error: AppError) -> dict[str, Any]:
    """The problem document of one of our own errors; its extra members are the error's plain fields."""
    body = document(
        status=STATUS[error.kind],
        code=error.code,
        title=error.title,
        detail=error.detail,
        errors=error.errors,
        retryable=error.retryable,
    )
    if error.errors:  # they say it better than the fields of the message
        return body
    extra = {
        name: value
        for name, value in error.fields.items()
        if isinstance(value, (str, int, float, bool, list)) and name not in body
    }
    return {**body, **extra}


def of_status(status: int, detail: str) -> dict[str, Any]:
    """The problem document of a failure that the framework raised."""
    code, title = FRAMEWORK.get(status, FRAMEWORK[400 if status < 500 else 500])
    return document(status=status, code=code, title=title, detail=detail)


def response(body: dict[str, Any], retry_after_seconds: int | None = None) -> JsonResponse:
    """A plain Django answer with a problem document."""
    answer = JsonResponse(body, status=body["status"], content_type="application/problem+json")
    if body["status"] == 401:
        answer["WWW-Authenticate"] = "Bearer"
    if retry_after_seconds is not None or body["status"] == 503:
        answer["Retry-After"] = str(retry_after_seconds or 5)
    return answer


def of_app_error(error: AppError) -> JsonResponse:
    """The answer to one of our own errors."""
    return response(of_error(error), error.retry_after_seconds)


def exception_handler(exception: Exception, _context: dict[str, Any]) -> Response | None:
    """DRF's hook: our errors and the framework's, in one shape. None lets a crash reach Django's 500."""
    if isinstance(exception, AppError):
        return _drf(of_error(exception), exception.retry_after_seconds)
    if isinstance(exception, Http404):
        return _drf(of_status(404, "There is nothing here."))
    if isinstance(exception, PermissionDenied):
        return _drf(of_status(403, str(exception) or "You may not do this."))
    if not isinstance(exception, drf.APIException):
        return None
    body = of_status(exception.status_code, _detail(exception))
    if isinstance(exception, drf.ValidationError):
        body["errors"] = [error.as_json() for error in _field_errors(exception.detail, "")]
        body["detail"] = f"{len(body['errors'])} field(s) of the body are not valid: see errors."
    wait = getattr(exception, "wait", None)
    return _drf(body, int(wait) + 1 if wait else None)


def _drf(body: dict[str, Any], retry_after_seconds: int | None = None) -> Response:
    answer = Response(body, status=body["status"], content_type="application/problem+json")
    if body["status"] == 401:
        answer["WWW-Authenticate"] = "Bearer"
    if retry_after_seconds is not None:
        answer["Retry-After"] = str(retry_after_seconds)
    return answer


def _detail(exception: drf.APIException) -> str:
    return (
        str(exception.detail)
        if not isinstance(exception.detail, (list, dict))
        else "The request is not valid."
    )


def _field_errors(detail: Any, pointer: str) -> list[FieldError]:
    if isinstance(detail, dict):
        return [
            error for name, value in detail.items() for error in _field_errors(value, f"{pointer}/{name}")
        ]
    if isinstance(detail, list) and any(isinstance(item, (dict, list)) for item in detail):
        return [
            error
            for index, value in enumerate(detail)
            if value
            for error in _field_errors(value, f"{pointer}/{index}")
        ]
    items = detail if isinstance(detail, list) else [detail]
    return [
        FieldError(code=str(getattr(item, "code", "invalid")), detail=str(item), pointer=pointer or "/")
        for item in items
    ]


def wants_json(request: HttpRequest) -> bool:
    """Whether the caller is a program: the API's paths, or JSON asked for and HTML not."""
    accept = request.headers.get("Accept", "")
    return request.path.startswith("/v1/") or ("json" in accept and "text/html" not in accept)
