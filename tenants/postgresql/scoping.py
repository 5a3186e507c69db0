"""The statement prefix that puts a transaction, or one autocommit statement, into a scope."""

from __future__ import annotations

import functools

from django.db import DatabaseError

from apps.core.database import role_name
from apps.core.scope import Scope


class ScopeError(DatabaseError):
    """The scope changed inside an open transaction: a programming error, refused before anything is sent."""


@functools.lru_cache(maxsize=4096)
def prefix(scope: Scope, database: str) -> str:
    """SQL that sets search path, tenant and role for the rest of the transaction.

    Sent in front of the first statement, in the same message. Every part is a name of our own making
    (``TenantKey`` checks the schema's form), so nothing here needs quoting beyond what stands.
    """
    if scope.tenant is not None:
        path, tenant, role = f'"{scope.tenant.schema}",public', str(scope.tenant.id), scope.tenant.schema
    else:
        assert scope.role is not None
        path, tenant, role = "public", "", role_name(database, scope.role)
    return f"SELECT set_config('search_path','{path}',true),set_config('almanac.tenant','{tenant}',true),set_config('role','{role}',true);"
