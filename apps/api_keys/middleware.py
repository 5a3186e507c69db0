"""From an API key to the tenant's scope, for every path below ``/v1/``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponseNotFound
from django.http.response import HttpResponseBase
from django.utils.http import http_date

from apps.api_keys import access, errors, text
from apps.api_keys.principal import Principal
from apps.core import admission, holding, request_context
from apps.core.errors import AppError
from apps.core.middleware import answer, unavailable
from apps.core.throttle import Allowance
from tenants.context import tenant_scope

API_PREFIX: Final = "/v1/"
OPEN_PATHS: Final = frozenset(
    {"/v1/leaked-keys"}
)  # whoever reports a key proves it by the key that is reported


class ApiKeyMiddleware:
    """Check the key of an API call, once, as the edge; then run the call in the key's tenant's scope.

    Sets ``request.api_key`` to the ``Principal``. Stands behind the host middleware: a key of another tenant
    than the host's gets the answer of a path that does not exist.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """The API's answer, or a problem document that says what is wrong with the key."""
        if not request.path.startswith(API_PREFIX):
            return self.get_response(request)
        try:
            admitted = admit(request)
        except access.AnotherTenantsHost:
            return HttpResponseNotFound()
        except AppError as error:
            return refused(request, error)
        except (OperationalError, InterfaceError):
            return unavailable()
        if admitted is None:
            return self.get_response(request)
        principal, allowance = admitted
        response = self._as_principal(request, principal)
        tell_of_key(response, principal)
        return with_allowance(response, allowance) if allowance else response

    def _as_principal(self, request: HttpRequest, principal: Principal) -> HttpResponseBase:
        request.api_key = principal  # type: ignore[attr-defined]
        request.log_fields = {"key": principal.public_id, "tenant": principal.tenant_key.schema}  # type: ignore[attr-defined]
        with request_context.act_as(principal.actor), tenant_scope(principal.tenant_key):
            return self.get_response(request)


def admit(request: HttpRequest) -> tuple[Principal, Allowance | None] | None:
    """Whose key came with the call, and what is left of its rate; None where no key is asked for.

    Raises the reason why not.
    """
    refuse_key_in_query(request)
    if request.path in OPEN_PATHS:
        return None
    tenant = request.tenant  # type: ignore[attr-defined]
    principal = access.authenticate(given=key_in_headers(request), host=tenant.id if tenant else None)
    # Of an upload that was asked about, the question was the call that counts; of one that waits, the first.
    counted = admission.was_admitted(request) or holding.is_again(request)
    return principal, None if counted else access.spend(principal)


def refused(request: HttpRequest, error: AppError) -> HttpResponseBase:
    """The problem document; of a key that was used too often also what its rate is."""
    response = answer(request, error)
    if isinstance(error, errors.KeyRateLimited):
        return with_allowance(response, error.fields["allowance"])
    return response


def tell_of_key(response: HttpResponseBase, principal: Principal) -> None:
    """The headers that say of a key that it is never billed, or that its end is near as a new one is there."""
    if principal.mode == "test":
        response["X-Almanac-Mode"] = "test"
    if principal.rotated_at is not None and principal.rotating_until is not None:
        response["Deprecation"] = f"@{int(principal.rotated_at.timestamp())}"
        response["Sunset"] = http_date(principal.rotating_until.timestamp())


def with_allowance(response: HttpResponseBase, allowance: Allowance) -> HttpResponseBase:
    """``response`` with what is left of the key's rate (draft-ietf-httpapi-ratelimit-headers)."""
    limit = allowance.limit
    reset = access.whole_seconds(allowance.reset_seconds)
    response["RateLimit-Policy"] = f'"{access.POLICY}";q={limit.count};w={int(limit.period_seconds)}'
    response["RateLimit"] = f'"{access.POLICY}";r={allowance.remaining};t={reset}'
    return response


def key_in_headers(request: HttpRequest) -> str:
    """The key's text out of the headers; raises ``KeyMissing`` or ``KeysContradict``."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    bearer = credentials.strip() if scheme.lower() == "bearer" else ""
    other = request.headers.get("X-API-Key", "").strip()
    if bearer and other and bearer != other:
        raise errors.KeysContradict
    if not (bearer or other):
        raise errors.KeyMissing
    return bearer or other


def refuse_key_in_query(request: HttpRequest) -> None:
    """``KeyInQuery`` where a parameter of the address holds what looks like a key, valid or not."""
    if not request.META.get("QUERY_STRING"):
        return
    for parameter, values in request.GET.lists():
        if text.LOOKS_LIKE_KEY.search(parameter):
            raise errors.KeyInQuery(parameter="(its name)")
        if any(text.LOOKS_LIKE_KEY.search(value) for value in values):
            raise errors.KeyInQuery(parameter=parameter[:60])
