"""What a request on a tenant's host carries after ``SessionScopeMiddleware``."""

from __future__ import annotations

from django.http import HttpRequest

from apps.accounts.models import Membership, User
from tenants.models import Tenant


class TenantRequest(HttpRequest):
    """A page request by a member, inside the tenant's scope."""

    tenant: Tenant
    membership: Membership
    permissions: frozenset[str]
    user: User
