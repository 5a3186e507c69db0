"""PostgreSQL itself keeps tenants apart: every table of the catalogue, every verb, every role, not a list of ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, ProgrammingError, connection, connections, transaction

from apps.core.ids import new_id
from apps.core.scope import SystemRole
from apps.core.tenancy import TenantKey
from apps.jobs.models import Job
from tenants.context import system_scope, tenant_scope
from tenants.postgresql.scoping import ScopeError
from tests import factories
from tests.tenants import inventing

Keys = tuple[TenantKey, TenantKey]
READS = ["SELECT * FROM {table} LIMIT 1", "COPY {table} TO STDOUT"]
WRITES = [
    "INSERT INTO {table} DEFAULT VALUES",
    "UPDATE {table} SET {column} = {column}",
    "DELETE FROM {table}",
    "TRUNCATE {table}",
    "LOCK TABLE {table} IN ACCESS SHARE MODE",
]
DENIED = ("permission denied", "does not exist", "must be owner", "is not a table", "cannot lock")
# Nobody may change or remove what stands in these.
APPEND_ONLY = ("audit_", "usage_usageevent")
TO_DO = ("audit_unsealed",)  # what the sealer has yet to number; it crosses off what it has


@dataclass(frozen=True)
class Table:
    """A relation of the catalogue, and a column of it."""

    schema: str
    name: str
    column: str

    def __str__(self) -> str:
        return f'"{self.schema}"."{self.name}"'

    def sent(self, statement: str, *, qualified: bool = True) -> str:
        """A statement about it."""
        table = str(self) if qualified else f'"{self.name}"'
        return statement.format(table=table, column=f'"{self.column}"')


@pytest.fixture
def keys(committed: None) -> Keys:
    """acme and globex."""
    return factories.tenant("acme").key, factories.tenant("globex").key


def relations(schema: str) -> list[Table]:
    """Every table, view and sequence of a schema."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT relname, (SELECT attname FROM pg_attribute WHERE attrelid = pg_class.oid AND attnum = 1)"
            " FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')"
            " ORDER BY relname",
            [schema],
        )
        return [Table(schema, *row) for row in cursor.fetchall()]


def shared_tables() -> list[tuple[Table, str]]:
    """Every shared table with rows of tenants, and the column that says whose."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND (column_name = 'tenant_id' OR (table_name = 'tenants_tenant' AND column_name = 'id')) ORDER BY 1"
        )
        return [(Table("public", name, column), column) for name, column in cursor.fetchall()]


def answer(statement: str, parameters: Any = None) -> str:
    """What the database says to a statement in the scope in force: its refusal, or how many rows it touched. Nothing
    is kept."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            if statement.startswith("COPY"):
                with cursor.copy(statement) as copy:
                    return f"{len(b''.join(bytes(chunk) for chunk in copy).splitlines())} rows"
            cursor.execute(statement, parameters)
            transaction.set_rollback(True)
            return f"{max(cursor.rowcount, 0)} rows"
    except DatabaseError as error:
        return str(error).partition("\n")[0]


def not_refused(table: Table, statements: list[str], *, qualified: bool = True) -> Iterator[str]:
    """Statements about a table that the database let through, or refused for a reason that is no wall."""
    for statement in statements:
        said = answer(table.sent(statement, qualified=qualified))
        if not any(words in said for words in DENIED):
            yield f"{table.sent(statement, qualified=qualified)}: {said}"


def everywhere(keys: Keys) -> Iterator[tuple[TenantKey, Table]]:
    """Each tenant with each relation of the other."""
    for mine, other in (keys, keys[::-1]):
        for table in relations(other.schema):
            yield mine, table


def test_the_catalogue_has_tables_of_both_tenants(keys: Keys) -> None:
    names = [{table.name for table in relations(key.schema)} for key in keys]
    assert names[0] == names[1]
    assert {"datasets_dataset", "registry_model", "django_migrations"} <= names[0]
    shared = {table.name for table, _column in shared_tables()}
    assert {"tenants_tenant", "jobs_job", "audit_auditevent", "usage_usageevent", "api_keys_apikey"} <= shared


def test_a_tenant_reads_and_writes_its_own_tables(keys: Keys) -> None:
    """Else the refusals below would mean nothing."""
    for key in keys:
        with tenant_scope(key):
            for table in relations(key.schema):
                if table.name.startswith("django_migrations"):
                    assert list(not_refused(table, [*READS, *WRITES])) == []
                    continue
                for statement in (*READS, WRITES[1], WRITES[2]):
                    assert answer(table.sent(statement)).endswith(" rows"), table.sent(statement)


def test_a_qualified_table_of_another_tenant_is_refused_to_every_verb(keys: Keys) -> None:
    let_through = []
    for mine, table in everywhere(keys):
        with tenant_scope(mine):
            let_through += list(not_refused(table, [*READS, *WRITES]))
    assert let_through == []


def test_a_wrong_search_path_finds_nothing(keys: Keys) -> None:
    let_through = []
    for mine, table in everywhere(keys):
        statements = [
            f'SET LOCAL search_path = "{table.schema}", public; {each}' for each in (READS[0], *WRITES)
        ]
        with tenant_scope(mine):
            let_through += list(not_refused(table, statements, qualified=False))
    assert let_through == []


@pytest.mark.parametrize("role", SystemRole)
def test_no_scope_but_the_tenants_own_touches_its_tables(keys: Keys, role: SystemRole) -> None:
    """The edge's is also that of code that forgot to open one."""
    let_through = []
    for key in keys:
        for table in relations(key.schema):
            with system_scope(role):
                let_through += list(not_refused(table, [*READS, *WRITES]))
                let_through += list(not_refused(table, [READS[0]], qualified=False))
    assert let_through == []


def test_the_login_itself_may_nothing_at_all(keys: Keys) -> None:
    """What a connection can do whose scope was lost."""
    let_through = []
    tables = [table for schema in ("public", keys[0].schema) for table in relations(schema)]
    with psycopg.connect(**connections["default"].get_connection_params(), autocommit=True) as raw:
        for table in tables:
            for statement in (READS[0], *WRITES[:-1]):
                try:
                    raw.execute(table.sent(statement))
                    let_through.append(table.sent(statement))
                except psycopg.Error as error:
                    if not any(words in str(error) for words in DENIED):
                        let_through.append(f"{table.sent(statement)}: {error}")
    assert let_through == []


def test_every_shared_table_with_a_tenant_has_row_level_security(keys: Keys) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relrowsecurity AND relnamespace = 'public'::regnamespace"
        )
        secured = {name for (name,) in cursor.fetchall()}
    assert {table.name for table, _column in shared_tables()} - secured == set()


def furnish(keys: Keys) -> dict[str, list[Any]]:
    """A row for each tenant in each shared table; what the owner sees of globex's, by table."""
    with connections["owner"].cursor() as cursor:
        for table, column in shared_tables():
            for key in keys:
                cursor.execute(f'SELECT count(*) FROM {table} WHERE "{column}" = %s', [key.id])
                if cursor.fetchone() == (0,):
                    inventing.insert(cursor, str(table), **{column: key.id})
    return owners_view(keys[1])


def owners_view(key: TenantKey) -> dict[str, list[Any]]:
    """All rows of a tenant in the shared tables, as the owner sees them."""
    seen = {}
    with connections["owner"].cursor() as cursor:
        for table, column in shared_tables():
            cursor.execute(f'SELECT t::text FROM {table} AS t WHERE "{column}" = %s ORDER BY 1', [key.id])
            seen[table.name] = cursor.fetchall()
    return seen


def test_a_tenant_neither_sees_nor_changes_a_row_of_another_in_any_shared_table(keys: Keys) -> None:
    acme, globex = keys
    before = furnish(keys)
    assert all(before.values()), "there is something to see"
    wrong, visible = [], 0
    for table, column in shared_tables():
        with tenant_scope(acme):
            for statement in (
                f'SELECT * FROM {table} WHERE "{column}" IS DISTINCT FROM %s',
                f'UPDATE {table} SET "{table.column}" = "{table.column}" WHERE "{column}" IS DISTINCT FROM %s',
                f'DELETE FROM {table} WHERE "{column}" IS DISTINCT FROM %s',
            ):
                said = answer(statement, [acme.id])
                if said != "0 rows" and "permission denied" not in said:
                    wrong.append(f"{statement}: {said}")
            own = answer(f'SELECT * FROM {table} WHERE "{column}" = %s', [acme.id])
            visible += own not in ("0 rows",) and own.endswith("rows")
    assert wrong == []
    assert visible >= 5, "of its own rows it sees those that it may"
    assert owners_view(globex) == before


def test_a_tenant_cannot_write_a_row_for_another_into_any_shared_table(keys: Keys) -> None:
    acme, globex = keys
    before = furnish(keys)
    wrong, by_row = [], 0
    for table, column in shared_tables():
        with connections["owner"].cursor() as cursor:
            values = inventing.row(cursor, str(table), **{column: globex.id})
        with tenant_scope(acme):
            for statement, parameters in (
                (inventing.insertion(str(table), values), list(values.values())),
                (f'UPDATE {table} SET "{column}" = %s', [globex.id]),
            ):
                said = answer(statement, parameters)
                by_row += "row-level security" in said
                if "permission denied" not in said and "row-level security" not in said:
                    wrong.append(f"{statement}: {said}")
    assert wrong == []
    assert by_row >= 1, "where a tenant may insert, it is the row that is refused"
    assert {name: len(rows) for name, rows in owners_view(globex).items()} == {
        name: len(rows) for name, rows in before.items()
    }


def test_without_its_tenants_id_a_role_sees_no_rows(keys: Keys) -> None:
    """Schema and role alone are not enough: the setting must agree."""
    furnish(keys)
    with tenant_scope(keys[0]):
        for table, _column in shared_tables():
            for tenant in ("", str(new_id()), "no uuid"):
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute("SELECT set_config('almanac.tenant', %s, true)", [tenant])
                    said = answer(f"SELECT * FROM {table}")
                    assert said == "0 rows" or "denied" in said or "invalid input" in said, (
                        f"{table} {tenant}: {said}"
                    )


def roles() -> list[str]:
    """Every role that the program can take, but for the tenants' other than acme's."""
    return [role.value for role in SystemRole]


def append_only() -> list[Table]:
    """The tables of the audit log, and the ledger."""
    return [
        table
        for table in relations("public")
        if table.name.startswith(APPEND_ONLY) and not table.name.endswith("_seq") and table.name not in TO_DO
    ]


def test_nobody_changes_or_removes_what_the_audit_log_and_the_ledger_hold(keys: Keys) -> None:
    furnish(keys)
    wrong = []
    assert {"audit_auditevent", "usage_usageevent"} <= {table.name for table in append_only()}
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT grantee, privilege_type, table_name FROM information_schema.role_table_grants"
            " WHERE table_schema = 'public' AND grantee <> current_user AND privilege_type IN ('DELETE', 'TRUNCATE')"
        )
        granted, kept = cursor.fetchall(), {table.name for table in append_only()}
        wrong += [f"{who} may {what} {table}" for who, what, table in granted if table in kept]
    for table in append_only():
        statements = [WRITES[2], WRITES[3]]
        if table.name in ("audit_auditevent", "usage_usageevent"):
            statements.append(WRITES[1])
        for key in keys:
            with tenant_scope(key):
                wrong += list(not_refused(table, statements))
        for role in roles():
            with system_scope(role):
                wrong += list(not_refused(table, statements))
    assert wrong == []


def test_a_tenant_cannot_change_what_only_the_dispatcher_may(acme: TenantKey) -> None:
    with tenant_scope(acme):
        job = Job.objects.create(tenant_id=acme.id, kind="x", queue="default")
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            Job.objects.filter(id=job.id).update(state="succeeded")


def test_a_change_of_scope_inside_a_transaction_is_refused(acme: TenantKey, globex: TenantKey) -> None:
    with tenant_scope(acme), transaction.atomic():
        Job.objects.count()
        with tenant_scope(globex), pytest.raises(ScopeError):
            Job.objects.count()


def test_a_rolled_back_savepoint_does_not_lose_the_scope(acme: TenantKey) -> None:
    with tenant_scope(acme), transaction.atomic():
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1/0")
        assert Job.objects.count() == 0


def test_the_program_is_no_superuser_and_owns_nothing(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT session_user, (SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolinherit"
            " FROM pg_roles WHERE rolname = session_user)"
        )
        assert cursor.fetchone() == (f"{settings.DATABASE}_app", False)
        cursor.execute(
            "SELECT count(*) FROM pg_class JOIN pg_roles ON relowner = pg_roles.oid WHERE rolname = session_user"
        )
        assert cursor.fetchone() == (0,)


def test_what_set_role_in_sql_can_and_cannot_reach(keys: Keys) -> None:
    """The login may become any tenant (docs/threat-model.md): the walls stop mistakes, not SQL of a stranger's. It
    can become nobody with more rights than that, and a tenant's id does not come with its role."""
    acme, globex = keys
    furnish(keys)
    with tenant_scope(acme):
        for role in (
            f"{settings.DATABASE}_owner",
            f"{settings.DATABASE}_mlflow",
            "postgres",
            "pg_read_all_data",
        ):
            assert any(words in answer(f'SET LOCAL ROLE "{role}"') for words in DENIED), role
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f'SET LOCAL ROLE "{globex.schema}"')
            assert answer(f'SELECT * FROM "{globex.schema}".datasets_dataset').endswith("rows")
            cursor.execute("SELECT count(*) FROM jobs_job WHERE tenant_id = %s", [globex.id])
            assert cursor.fetchone() == (0,)
