"""From an API key to the tenant's scope, for every path below ``/v1/``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponseNotFound
from django.http.response import HttpResponseBase

from apps.api_keys import errors, services, text
from apps.api_keys.principal import Principal
from apps.core import request_context
from apps.core.errors import AppError
from apps.core.middleware import answer, unavailable
from tenants.context import tenant_scope

API_PREFIX: Final = "/v1/"


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
            refuse_key_in_query(request)
            principal = services.authenticate(given=key_in_headers(request))
            services.note_use(principal=principal)
        except AppError as error:
            return answer(request, error)
        except (OperationalError, InterfaceError):
            return unavailable()
        tenant = request.tenant  # type: ignore[attr-defined]
        if tenant is not None and tenant.id != principal.tenant_key.id:
            return HttpResponseNotFound()
        return self._as_principal(request, principal)

    def _as_principal(self, request: HttpRequest, principal: Principal) -> HttpResponseBase:
        request.api_key = principal  # type: ignore[attr-defined]
        request.log_fields = {"key": principal.public_id, "tenant": principal.tenant_key.schema}  # type: ignore[attr-defined]
        with request_context.act_as(principal.actor), tenant_scope(principal.tenant_key):
            return self.get_response(request)


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
        if any(text.LOOKS_LIKE_KEY.search(value) for value in values):
            raise errors.KeyInQuery(parameter=parameter[:60])
