"""Which tenant a host name belongs to; decided once, at the edge."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponseBase
from django.http.request import split_domain_port

from apps.core.errors import NotFound
from apps.core.middleware import answer, unavailable
from tenants import queries

BARE_HOSTS = frozenset({settings.BASE_DOMAIN, "127.0.0.1", "[::1]", "localhost", *settings.BARE_HOSTS})
PROBES = frozenset({"/livez", "/readyz"})  # asked by address, and answered without a look-up


class HostMiddleware:
    """Sets ``request.tenant`` (a ``Tenant`` in any state, or None on the bare host) and the URLconf that goes with it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """An unknown host is a 404; a database that is away a 503."""
        host, _port = split_domain_port(request.get_host())
        request.tenant = None  # type: ignore[attr-defined]
        if host in BARE_HOSTS or request.path in PROBES:
            request.urlconf = settings.PUBLIC_URLCONF
            return self.get_response(request)
        try:
            tenant = queries.find_by_host(host=host)
        except (OperationalError, InterfaceError):
            return unavailable()
        if tenant is None:
            request.urlconf = settings.PUBLIC_URLCONF
            return answer(request, NotFound(what="workspace", name=host))
        request.tenant = tenant  # type: ignore[attr-defined]
        request.urlconf = settings.TENANT_URLCONF
        return self.get_response(request)
