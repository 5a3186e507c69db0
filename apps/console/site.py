"""The operator's admin site: Django's, on the bare host, inside the scope of the role ``operator``."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.urls import URLResolver

from apps.core.errors import Forbidden
from apps.core.request_context import Actor, act_as
from apps.core.scope import SystemRole
from tenants.context import system_scope

View = TypeVar("View", bound=Callable[..., HttpResponseBase])
# The bare host logs out and changes passwords. Histories and ways to an object's own page rest on tables of Django's
# that no role of ours may read; the audit log says who changed what.
OTHERS_PAGES = re.compile(r"logout|password_change|password_change_done|view_on_site|\w+_history")


class ConsoleSite(AdminSite):
    """Pages for operators; others are sent to the log-in."""

    site_header = "Almanac console"
    site_title = "Almanac console"
    index_title = "Tenants and their work"
    index_template = "console/index.html"
    enable_nav_sidebar = False

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Every page of the site runs as the operator, its rendering included."""
        guarded = super().admin_view(view, cacheable)

        @functools.wraps(view)
        def scoped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not self.has_permission(request):  # reads session and user, which the edge may
                return self._turn_away(request)
            actor = Actor("operator", str(request.user.pk), request.user.get_username())
            with act_as(actor), system_scope(SystemRole.OPERATOR):
                response = guarded(request, *args, **kwargs)
                return response.render() if isinstance(response, SimpleTemplateResponse) else response

        return cast("View", scoped)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # noqa: ARG002
        """The one log-in page of the bare host."""
        return redirect_to_login(request.GET.get("next", "/admin/"), "/login/")

    def _turn_away(self, request: HttpRequest) -> HttpResponse:
        """Strangers may be operators and log in; a customer's person would only come back here."""
        if request.user.is_authenticated:
            raise Forbidden(permission="operator")
        return redirect_to_login(request.get_full_path(), "/login/")

    def get_urls(self) -> list[Any]:
        """Django's pages without those of ``OTHERS_PAGES``."""
        return _without_others_pages(super().get_urls())


def _without_others_pages(urls: list[Any]) -> list[Any]:
    """The pages of the site that are ours; those of each model stand in lists of their own."""
    for url in urls:
        if isinstance(url, URLResolver) and isinstance(url.urlconf_name, list):
            url.urlconf_name[:] = _without_others_pages(url.urlconf_name)
    return [url for url in urls if not OTHERS_PAGES.fullmatch(getattr(url, "name", None) or "")]


site = ConsoleSite(name="console")
