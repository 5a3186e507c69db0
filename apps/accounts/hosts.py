"""Which host is which, and where a browser may be sent."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.utils.http import url_has_allowed_host_and_scheme

from tenants.middleware import BARE_HOSTS
from tenants.models import Tenant

NEXT_LENGTH: Final = 2000


def domain_and_port(request: HttpRequest) -> tuple[str, str]:
    """The host name that was asked for, in lower case, and its port ('' if it is the default)."""
    return split_domain_port(request.get_host())


def is_bare(domain: str) -> bool:
    """Whether ``domain`` is the service's own host, where people sign up and log in."""
    return domain in BARE_HOSTS


def domain_of(tenant: Tenant) -> str:
    """The host name of a tenant's pages."""
    return f"{tenant.slug}.{settings.BASE_DOMAIN}"


def tenant_host(request: HttpRequest, tenant: Tenant) -> str:
    """Host and port of a tenant's pages, on the port of the request."""
    return _with_port(domain_of(tenant), request)


def tenant_url(request: HttpRequest, tenant: Tenant, path: str, **query: str) -> str:
    """An absolute address on a tenant's host."""
    return _url(request, tenant_host(request, tenant), path, query)


def bare_url(request: HttpRequest, path: str, *, domain: str = "", **query: str) -> str:
    """An absolute address on the bare host; ``domain`` picks one of its names, if it is one."""
    chosen = domain if is_bare(domain) else settings.BASE_DOMAIN
    return _url(request, _with_port(chosen, request), path, query)


def public_link(path: str) -> str:
    """An absolute address on the bare host for mails, which no request gives a host and port."""
    return f"{settings.PUBLIC_URL}{path}"


def safe_path(target: str | None, default: str = "/") -> str:
    """``target`` if it is a path on the same host, else ``default``: nobody is sent elsewhere by a link of a
    stranger's."""
    if (
        not target
        or len(target) > NEXT_LENGTH
        or not target.startswith("/")
        or any(ord(c) < 33 for c in target)
    ):
        return default
    return target if url_has_allowed_host_and_scheme(target, allowed_hosts=None) else default


def _url(request: HttpRequest, host: str, path: str, query: dict[str, str]) -> str:
    tail = f"?{urlencode(query)}" if query else ""
    return f"{request.scheme}://{host}{quote(path, safe='/%?=&~._-')}{tail}"


def _with_port(domain: str, request: HttpRequest) -> str:
    port = domain_and_port(request)[1]
    return f"{domain}:{port}" if port else domain
