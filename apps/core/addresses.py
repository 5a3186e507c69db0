"""Where this server answers, for commands that people copy from pages."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port


def base_url(request: HttpRequest) -> str:
    """Where the API answers for programs: the bare host, as not every resolver knows names below localhost."""
    port = split_domain_port(request.get_host())[1]
    host = "127.0.0.1" if settings.BASE_DOMAIN == "localhost" else settings.BASE_DOMAIN
    return f"{request.scheme}://{host}{f':{port}' if port else ''}"
