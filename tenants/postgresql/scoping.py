"""The statement prefix that puts a transaction, or one autocommit statement, into a scope."""

from __future__ import annotations

import functools
import re
from typing import Final

from django.db import DatabaseError

from apps.core.database import role_name
from apps.core.scope import Scope

PREFIX_STATEMENTS: Final = 3
_NAME = re.compile(r"[a-z_][a-z0-9_]*")


class ScopeError(DatabaseError):
    """The scope changed inside an open transaction: a programming error, refused before anything is sent."""


@functools.lru_cache(maxsize=4096)
def prefix(scope: Scope, database: str) -> str:
    """SQL that sets search path, tenant and role for the rest of the transaction: ``PREFIX_STATEMENTS`` statements.

    Sent in front of the first statement, in the same message. ``SET LOCAL`` takes no snapshot, so the statement may
    still choose the transaction's isolation level. Every part is a name of our own making (``TenantKey`` checks the
    schema's form, the database's is checked here), so nothing needs quoting beyond what stands, and no ``%`` occurs.
    """
    if not _NAME.fullmatch(database):
        raise ValueError(
            f"the database's name has lower-case letters, digits and underscores, not {database!r}"
        )
    if scope.tenant is not None:
        path, tenant, role = f'"{scope.tenant.schema}",public', str(scope.tenant.id), scope.tenant.schema
    else:
        assert scope.role is not None
        path, tenant, role = "public", "", role_name(database, scope.role)
    return f"SET LOCAL search_path={path};SET LOCAL almanac.tenant='{tenant}';SET LOCAL ROLE \"{role}\";"
