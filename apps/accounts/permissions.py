"""Who may do what, as data: each role's set of ``resource:action``."""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase

from apps.core.errors import Forbidden

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


class Role(enum.StrEnum):
    """What a person is in one tenant."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    ANALYST = "analyst"
    VIEWER = "viewer"
    BILLING = "billing"


PERMISSIONS: Final[dict[str, str]] = {
    "tenant:read": "See the overview",
    "tenant:manage": "Rename or delete the tenant, hand over its ownership",
    "members:read": "See who belongs to the tenant",
    "members:manage": "Invite people, change roles, remove people",
    "datasets:read": "See data sets and download them",
    "datasets:write": "Upload, change and delete data sets",
    "models:read": "See models, training runs and leaderboards",
    "models:train": "Start training runs",
    "models:deploy": "Choose which version of a model answers",
    "models:override": "Have a version answer that the publish gate refused",
    "forecasts:run": "Ask for forecasts",
    "forecasts:read": "See and download earlier forecasts",
    "explain:run": "Ask why a forecast is what it is",
    "jobs:read": "See work in the background",
    "jobs:manage": "Cancel and retry work in the background",
    "keys:manage": "Create and revoke API keys",
    "webhooks:manage": "Set up webhooks",
    "usage:read": "See usage and quotas",
    "billing:read": "See plan and invoices",
    "billing:manage": "Change the plan and the means of payment",
    "audit:read": "Read the audit log",
}

_VIEWER: Final = frozenset(
    {
        "tenant:read",
        "members:read",
        "datasets:read",
        "models:read",
        "forecasts:read",
        "jobs:read",
        "usage:read",
    }
)
_ANALYST: Final = _VIEWER | {"datasets:write", "models:train", "forecasts:run", "explain:run", "jobs:manage"}
_DEVELOPER: Final = _ANALYST | {"models:deploy", "keys:manage", "webhooks:manage"}
_BILLING: Final = frozenset({"tenant:read", "members:read", "usage:read", "billing:read", "billing:manage"})
_ADMIN: Final = _DEVELOPER | _BILLING | {"members:manage", "audit:read"}

ROLE_PERMISSIONS: Final[dict[Role, frozenset[str]]] = {
    Role.OWNER: _ADMIN | {"tenant:manage", "models:override"},
    Role.ADMIN: _ADMIN,
    Role.DEVELOPER: _DEVELOPER,
    Role.ANALYST: _ANALYST,
    Role.VIEWER: _VIEWER,
    Role.BILLING: _BILLING,
}

# What a role may give, take and change in others: nobody more than they have.
GRANTABLE: Final[dict[Role, frozenset[Role]]] = {
    role: frozenset(
        other for other in Role if "members:manage" in permissions and ROLE_PERMISSIONS[other] <= permissions
    )
    for role, permissions in ROLE_PERMISSIONS.items()
}
# An API key stands for no person who could be asked, so it never touches owners.
GRANTABLE_BY_KEY: Final = GRANTABLE[Role.ADMIN]
ROLE_WORDS: Final[dict[Role, str]] = {
    Role.OWNER: "Everything, also renaming and deleting the company, and making other owners",
    Role.ADMIN: "Everything but renaming and deleting the company: people, keys, plan and the audit log too",
    Role.DEVELOPER: "Data, models and forecasts, and the API keys and webhooks of programs",
    Role.ANALYST: "Data, training, forecasts and explanations",
    Role.VIEWER: "Looks at data, models and forecasts",
    Role.BILLING: "Plan, invoices and usage",
}


def known(permission: str) -> str:
    """``permission`` itself; ``ValueError`` for one that no table lists, so that a typing error cannot lock
    or open a door."""
    if permission not in PERMISSIONS:
        raise ValueError(f"unknown permission {permission!r}")
    return permission


def allows(role: Role | str, permission: str) -> bool:
    """Whether ``role`` includes ``permission``."""
    return known(permission) in ROLE_PERMISSIONS[Role(role)]


def require(permission: str) -> Callable[[View], View]:
    """Decorate a page of the tenant's host with the permission it needs; ``Forbidden`` for roles without it.

    The permission stands on the view as ``required_permission`` for the tests that walk all pages.
    """
    known(permission)

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            membership = getattr(request, "membership", None)
            if membership is None:
                raise Http404("this page stands on a tenant's host")
            if not allows(membership.role, permission):
                raise Forbidden(permission=permission)
            return view(request, *args, **kwargs)

        checked.required_permission = permission  # type: ignore[attr-defined]
        return cast("View", checked)

    return decorate
