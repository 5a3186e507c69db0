"""Who may touch a shared table, stated as data beside the migration that creates it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

CURRENT_TENANT = "NULLIF(current_setting('almanac.tenant', true), '')::uuid"
TENANT = "tenant"


def role_name(database: str, role: str) -> str:
    """The cluster-wide name of one of our roles: roles are shared by all databases of a server, so it carries the database's."""
    return f"{database}_{'tenant_base' if role == TENANT else role}"


class SharedTable(Operation):
    """Grants on a table of the public schema, and row-level security where it holds rows of tenants.

    ``grants`` maps a role (``tenant``, ``edge``, ``ledger``, ``dispatcher``, ``operator``, ``billing``) to the
    privileges it gets, such as ``"SELECT, INSERT"`` or ``"UPDATE (state)"``. ``tenant_column`` names the column that
    a tenant's rows must match; ``None`` means the table has no rows of tenants. ``rows`` narrows what a system role
    sees: role -> SQL condition. ``updates`` narrows what a role may change further than what it sees: role -> a pair of
    conditions on the row before and after. Roles that are not named get nothing.
    """

    reversible = True
    reduces_to_sql = True

    def __init__(
        self,
        table: str,
        grants: Mapping[str, str],
        tenant_column: str | None = "tenant_id",
        rows: Mapping[str, str] | None = None,
        updates: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        self.table = table
        self.grants = dict(grants)
        self.tenant_column = tenant_column
        self.rows = dict(rows or {})
        self.updates = dict(updates or {})

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """What the migration writer would need to write this operation."""
        arguments: dict[str, Any] = {
            "table": self.table,
            "grants": self.grants,
            "tenant_column": self.tenant_column,
            "rows": self.rows,
        }
        arguments["updates"] = self.updates
        return self.__class__.__qualname__, [], arguments

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Grants are not part of Django's model state."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Send the statements; runs as the owner. A later migration may state the table anew."""
        drops = [drop for role in self.grants for drop in self._drops(role)]
        for statement in (*drops, *self.statements(str(schema_editor.connection.settings_dict["NAME"]))):
            schema_editor.execute(statement)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Take the grants and policies away again."""
        database = str(schema_editor.connection.settings_dict["NAME"])
        schema_editor.execute(f'ALTER TABLE "{self.table}" DISABLE ROW LEVEL SECURITY')
        for role in self.grants:
            for statement in self._drops(role):
                schema_editor.execute(statement)
            schema_editor.execute(f'REVOKE ALL ON "{self.table}" FROM "{role_name(database, role)}"')

    def statements(self, database: str) -> list[str]:
        """The SQL for ``database``: one GRANT per role, and one policy per role where rows belong to tenants."""
        statements = [
            f'GRANT {self.grants[role]} ON "{self.table}" TO "{role_name(database, role)}"'
            for role in self.grants
        ]
        if self.tenant_column is None and not self.rows:
            return statements
        statements.append(f'ALTER TABLE "{self.table}" ENABLE ROW LEVEL SECURITY')
        for role in self.grants:
            statements += self._policies(role, role_name(database, role))
        return statements

    def describe(self) -> str:
        """A line for ``migrate``'s output."""
        return f"State who may touch {self.table}"

    def _drops(self, role: str) -> list[str]:
        ends = ("", "_insert", "_update")
        return [f'DROP POLICY IF EXISTS "{self.table}_{role}{end}" ON "{self.table}"' for end in ends]

    def _policies(self, role: str, grantee: str) -> list[str]:
        seen = self._condition(role)
        name, target = f"{self.table}_{role}", f'ON "{self.table}"'
        if role not in self.updates:
            return [f'CREATE POLICY "{name}" {target} TO "{grantee}" USING ({seen}) WITH CHECK ({seen})']
        before, after = self.updates[role]
        return [
            f'CREATE POLICY "{name}" {target} FOR SELECT TO "{grantee}" USING ({seen})',
            f'CREATE POLICY "{name}_insert" {target} FOR INSERT TO "{grantee}" WITH CHECK ({seen})',
            f'CREATE POLICY "{name}_update" {target} FOR UPDATE TO "{grantee}" USING ({seen} AND {before}) WITH CHECK ({after})',
        ]

    def _condition(self, role: str) -> str:
        if role == TENANT and self.tenant_column is not None:
            return f"{self.tenant_column} = {CURRENT_TENANT}"
        return self.rows.get(role, "true")
