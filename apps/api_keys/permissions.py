"""What a key must be allowed for an endpoint: ``permission_classes = [HasScope("datasets:read")]``."""

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
    """The key has the scope: that given here, else the view's ``required_scope`` (one, or one for each method).

    A view that states none is a mistake and lets nobody in.
    """

    def __init__(self, scope: str | None = None) -> None:
        self.scope = scopes.known(scope) if scope else None

    def __call__(self) -> HasScope:
        """DRF calls what stands in ``permission_classes``."""
        return self

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Raises ``ScopeMissing`` (403), which names the scope."""
        principal = principal_of(request)
        scope = self.scope or self._of_view(request, view)
        if scope not in principal.scopes:
            raise ScopeMissing(scope=scope, scopes=", ".join(sorted(principal.scopes)))
        return True

    def _of_view(self, request: Request, view: APIView) -> str:
        stated = getattr(view, "required_scope", None)
        scope = stated.get(request.method) if isinstance(stated, Mapping) else stated
        if scope is None:
            raise ImproperlyConfigured(f"{type(view).__name__} states no scope for {request.method}")
        return scopes.known(scope)


def principal_of(request: Request) -> Principal:
    """Whose key came with the call; raises ``KeyMissing``."""
    principal = request.auth
    if not isinstance(principal, Principal):
        raise KeyMissing
    return principal
