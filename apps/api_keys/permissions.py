"""What a key must be allowed for an endpoint: the view says ``required_scope = {"GET": "datasets:read"}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.api_keys import scopes
from apps.api_keys.errors import KeyMissing, ScopeMissing
from apps.api_keys.principal import Principal

if TYPE_CHECKING:  # the settings name HasScope, so DRF imports this module while it makes APIView
    from rest_framework.views import APIView


class HasKey(BasePermission):
    """Any valid key will do."""

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - the signature is DRF's
        """Raises ``KeyMissing`` without one."""
        principal_of(request)
        return True


class HasScope(BasePermission):
    """The key has the view's ``required_scope``: one, or one for each method (HEAD counts as GET).

    A view that states none for a method it answers is a mistake and lets nobody in.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Raises ``ScopeMissing`` (403), which names the scope; methods that the view has not are DRF's to
        refuse."""
        principal = principal_of(request)
        method = "GET" if request.method == "HEAD" else str(request.method)
        if method == "OPTIONS" or not hasattr(view, method.lower()):
            return True
        check_scope(principal, _stated(view, method))
        return True


def principal_of(request: Request) -> Principal:
    """Whose key came with the call; raises ``KeyMissing``."""
    principal = request.auth
    if not isinstance(principal, Principal):
        raise KeyMissing
    return principal


def check_scope(principal: Principal, scope: str) -> None:
    """Raises ``ScopeMissing`` where the key does not have ``scope``."""
    if scopes.known(scope) not in principal.scopes:
        raise ScopeMissing(scope=scope, scopes=", ".join(sorted(principal.scopes)))


def _stated(view: APIView, method: str) -> str:
    stated = getattr(view, "required_scope", None)
    scope = stated.get(method) if isinstance(stated, Mapping) else stated
    if not isinstance(scope, str):
        raise ImproperlyConfigured(f"{type(view).__name__} states no scope for {method}")
    return scope
