"""``tenants check``: each kind of fault is found, and what is sound is not called a fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.db import connections, transaction

from apps.core.ids import new_id
from tenants import checks
from tenants.models import Tenant
from tests import factories
from tests.tenants.conftest import owner

FAULTS = {
    "a grant too many": ('GRANT SELECT ON {schema}.datasets_dataset TO "{db}_edge"', "has also: SELECT on datasets_dataset"),
    "a grant of a column": ('GRANT UPDATE (name) ON {schema}.datasets_dataset TO "{db}_edge"', "UPDATE on datasets_dataset.name"),
    "a grant too few": ('REVOKE DELETE ON {schema}.datasets_dataset FROM "{bare}"', "lacks: DELETE on datasets_dataset for its role"),
    "the books opened": ('GRANT SELECT ON {schema}.django_migrations TO "{bare}"', "has also: SELECT on django_migrations"),
    "a schema opened": ('GRANT USAGE ON SCHEMA {schema} TO "{db}_tenant_base"', "has also: USAGE on schema"),
    "a default privilege": (
        'ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO "{db}_edge"', "new objects of kind r"
    ),
    "a missing table": ("DROP TABLE {schema}.explanations_explanation", "lacks: table explanations_explanation"),
    "a missing column": ("ALTER TABLE {schema}.datasets_dataset DROP COLUMN origin", "lacks: column datasets_dataset.origin"),
    "another type": ("ALTER TABLE {schema}.datasets_dataset ALTER description TYPE varchar(9)", "character varying(9)"),
    "a column too many": ("ALTER TABLE {schema}.datasets_dataset ADD extra int", "has also: column datasets_dataset.extra"),
    "a table too many": ("CREATE TABLE {schema}.stray (id int)", "has also: table stray"),
    "a missing index": ("DROP INDEX {schema}.explanations_by_point", "lacks: CREATE INDEX explanations_by_point"),
    "a missing constraint": (
        "ALTER TABLE {schema}.datasets_datasetversion DROP CONSTRAINT datasets_version_number", "lacks: constraint"
    ),
    "a wrong version": ("UPDATE tenants_tenant SET schema_version = '9-x' WHERE slug = 'acme'", "acme is noted at 9-x, its books say"),
    "a book too few": ("DELETE FROM {schema}.django_migrations WHERE app = 'training'", "acme lacks migrations"),
    "a missing schema": ("DROP SCHEMA {schema} CASCADE", "acme has no schema of its own"),
    "a stray schema": ("CREATE SCHEMA t_aaaaaaaaaaaaaaaa", "the schema t_aaaaaaaaaaaaaaaa belongs to no tenant"),
    "a stray role": ('CREATE ROLE t_aaaaaaaaaaaaaaaa IN ROLE "{db}_tenant_base"', "the role t_aaaaaaaaaaaaaaaa belongs to no"),
    "a role that inherits": ('GRANT {schema} TO "{db}_app" WITH INHERIT TRUE', "has the member {db}_app, inherits"),
    "a role that others enter": ('GRANT {schema} TO "{db}_edge"', "its role has the member {db}_edge"),
    "a role with a wider one": ('GRANT "{db}_operator" TO {schema}', "its role is a member of {db}_operator"),
    "a system role inherited": ('GRANT "{db}_ledger" TO "{db}_app" WITH INHERIT TRUE', "holds {db}_ledger by itself"),
    "no row-level security": ("ALTER TABLE jobs_job DISABLE ROW LEVEL SECURITY", "no row-level security"),
    "a policy too many": ('CREATE POLICY wide ON jobs_job TO "{db}_tenant_base" USING (true)', "has also: policy wide"),
    "a policy changed": ("ALTER POLICY jobs_job_tenant ON jobs_job USING (true)", "lacks: policy jobs_job_tenant"),
    "a policy too few": ("DROP POLICY jobs_job_tenant ON jobs_job", "lacks: policy jobs_job_tenant"),
    "a shared grant": ('GRANT DELETE ON audit_auditevent TO "{db}_operator"', "has also: DELETE on audit_auditevent"),
    "a shared table too many": ("CREATE TABLE strays (tenant_id uuid)", "public has also: table strays"),
    "a trigger gone": ("DROP TRIGGER tenants_check_step ON tenants_tenant", "lacks: CREATE TRIGGER tenants_check_step"),
    "a trigger off": ("ALTER TABLE tenants_tenant DISABLE TRIGGER tenants_check_step", "tenants_check_step (D)"),
    "public opened": ("GRANT CREATE ON SCHEMA public TO PUBLIC", "has also: CREATE on schema for everybody"),
}  # fmt: skip


@pytest.fixture
def undone(committed: None) -> Iterator[Callable[[str], list[str]]]:
    """``undone(statement)``: the faults found after it; nothing of it stays."""
    with transaction.atomic(using="owner"):

        def look(statement: str) -> list[str]:
            owner(statement)
            return checks.find_faults()

        yield look
        transaction.set_rollback(True, using="owner")


def names() -> dict[str, str]:
    schema = factories.tenant("acme").schema_name
    database = str(connections["owner"].settings_dict["NAME"])
    return {"schema": f'"{schema}"', "bare": schema, "db": database}


def test_a_sound_instance_has_no_faults(committed: None) -> None:
    assert checks.find_faults() == []


@pytest.mark.parametrize("kind", FAULTS)
def test_every_kind_of_fault_is_found(undone: Callable[[str], list[str]], kind: str) -> None:
    statement, words = (text.format(**names()) for text in FAULTS[kind])
    faults = undone(statement)
    assert any(words in fault for fault in faults), faults
    assert len(faults) < 40


def test_a_row_of_nobodys_is_found(undone: Callable[[str], list[str]]) -> None:
    nobody = new_id()
    faults = undone(
        f"INSERT INTO usage_usagecounter (tenant_id, kind, period, used) VALUES ('{nobody}', 'forecast_points', '2026-01', 1)"
    )
    assert faults == [f"1 row(s) of usage_usagecounter are of {nobody}, who is no tenant"]


def test_many_faults_of_one_schema_are_told_briefly(undone: Callable[[str], list[str]]) -> None:
    faults = undone(f"REVOKE ALL ON ALL TABLES IN SCHEMA {names()['schema']} FROM {names()['schema']}")
    told = [fault for fault in faults if fault.startswith("acme ")]
    assert len(told) == checks.LISTED + 1
    assert told[-1].endswith("more differences")


def test_a_tenant_that_is_being_erased_is_no_fault(undone: Callable[[str], list[str]]) -> None:
    key = factories.tenant("globex").key
    owner("UPDATE tenants_tenant SET state = 'deleting', erasure_started_at = now() WHERE id = %s", key.id)
    assert undone(f'DROP SCHEMA "{key.schema}" CASCADE; DROP ROLE "{key.schema}"') == []


def test_the_check_takes_no_longer_for_each_tenant_than_a_few_milliseconds(
    spare: Callable[[str], Tenant],
) -> None:
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connections["owner"]) as few:
        assert checks.find_faults() == []
    for number in range(5):
        spare(f"spare-{number}")
    with CaptureQueriesContext(connections["owner"]) as more:
        assert checks.find_faults() == []
    assert len(more) == len(few), "the number of queries does not grow with that of tenants"
