"""Which migrations belong to which schema."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connections
from django_tenants.routers import TenantSyncRouter
from django_tenants.utils import get_public_schema_name


class SchemaRouter(TenantSyncRouter):  # type: ignore[misc] # the library has no types
    """Shared apps migrate in ``public``, tenant apps in a tenant's schema, and only through the owner's alias."""

    def allow_migrate(
        self, db: str, app_label: str, model_name: str | None = None, **hints: Any
    ) -> bool | None:
        """None where the app's tables belong into the connection's current schema, else False."""
        if db != "owner":
            return False
        connection: Any = connections[db]
        public = connection.schema_name == get_public_schema_name() or getattr(connection, "is_shared", False)
        apps = settings.SHARED_APPS if public else settings.TENANT_APPS
        return None if self.app_in_list(app_label, apps) else False
