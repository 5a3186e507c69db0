"""What DRF asks about the caller; the key was checked by the middleware."""

from __future__ import annotations

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from apps.api_keys.principal import Principal


class ApiKeyAuthentication(BaseAuthentication):
    """``request.user`` and ``request.auth`` are the ``Principal`` that ``ApiKeyMiddleware`` found."""

    def authenticate(self, request: Request) -> tuple[Principal, Principal] | None:
        """The principal, or None on the paths that are open to everybody."""
        principal: Principal | None = getattr(request._request, "api_key", None)
        return (principal, principal) if principal else None

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - the signature is DRF's
        """The scheme that a 401 names."""
        return "Bearer"
