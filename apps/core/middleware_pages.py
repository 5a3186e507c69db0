"""Django's middleware of pages. A call of the API has none of what it makes: no session, form token, message or frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware import clickjacking, common, csrf

API_PREFIX: Final = "/v1/"


class _PagesOnly:
    """In front of a middleware class: calls of the API go past it."""

    get_response: Callable[[HttpRequest], Any]

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(API_PREFIX):
            return self.get_response(request)  # type: ignore[no-any-return]
        return super().__call__(request)  # type: ignore[misc,no-any-return]


class SessionMiddleware(_PagesOnly, sessions.SessionMiddleware):
    """Who comes back."""


class CommonMiddleware(_PagesOnly, common.CommonMiddleware):
    """The slash at the end, and the content's length."""


class CsrfViewMiddleware(_PagesOnly, csrf.CsrfViewMiddleware):
    """Forms come from our own pages. The API's views take no cookie, so nothing can be forged there."""


class AuthenticationMiddleware(_PagesOnly, auth.AuthenticationMiddleware):
    """``request.user``."""


class MessageMiddleware(_PagesOnly, messages.MessageMiddleware):
    """What the next page says."""


class XFrameOptionsMiddleware(_PagesOnly, clickjacking.XFrameOptionsMiddleware):
    """No page of ours inside another's."""
