"""Proof that the database keeps tenants apart as it should: owners, grants, row-level security, schema versions."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connections

from tenants import provisioning
from tenants.provisioning import OWNER

_SHARED_WITHOUT_SECURITY = """
SELECT format('public.%s has rows of tenants but no row-level security', columns.table_name)
FROM information_schema.columns AS columns JOIN pg_class ON relname = columns.table_name AND relnamespace = 'public'::regnamespace
WHERE table_schema = 'public' AND column_name = 'tenant_id' AND NOT relrowsecurity
"""
_WRONG_OWNER = """
SELECT format('%s.%s belongs to %s, not to %s', schemaname, tablename, tableowner, current_user)
FROM pg_tables WHERE (schemaname = 'public' OR schemaname ~ '^t_[a-z2-7]{16}$') AND tableowner <> current_user
"""
_FOREIGN_GRANT = """
SELECT DISTINCT format('%s holds %s on %s.%s', grantee, privilege_type, table_schema, table_name)
FROM information_schema.role_table_grants
WHERE table_schema ~ '^t_[a-z2-7]{16}$' AND grantee NOT IN (table_schema, current_user)
"""
_NO_ROLE = """
SELECT format('schema %s has no role of its name', nspname) FROM pg_namespace
WHERE nspname ~ '^t_[a-z2-7]{16}$' AND nspname NOT IN (SELECT rolname FROM pg_roles)
"""


def find_faults() -> list[str]:
    """One line for each fault; empty when all is as it should be. Reads as the owner."""
    return [
        *_from_catalogue(),
        *(
            f"{tenant} lacks migrations: run manage.py tenants migrate"
            for tenant in provisioning.tenants_behind()
        ),
    ]


def _from_catalogue() -> Iterator[str]:
    with connections[OWNER].cursor() as cursor:
        for query in (_SHARED_WITHOUT_SECURITY, _WRONG_OWNER, _FOREIGN_GRANT, _NO_ROLE):
            cursor.execute(query)
            yield from (line for (line,) in cursor.fetchall())
