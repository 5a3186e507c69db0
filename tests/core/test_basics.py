"""Ids, cache keys, cells of CSV files, pages of lists, and the SQL of shared tables."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from django.conf import settings
from django.core import signing
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from apps.core import api, cache, ids, scope
from apps.core.csv import safe_cell
from apps.core.database import SharedTable, role_name
from apps.core.errors import NotFound
from apps.core.scope import NoTenantScope, Scope, SystemRole
from apps.core.tenancy import TenantKey, new_schema_name
from apps.jobs.models import Job
from tenants.context import tenant_scope

KEY = TenantKey(id=uuid.UUID(int=1), schema="t_aaaaaaaaaaaaaaaa")


class TestIds:
    """Ordered inside, prefixed outside."""

    def test_go_there_and_back_for_every_prefix(self) -> None:
        for prefix in ids.NAMES:
            made = ids.new_id()
            text = ids.public_id(prefix, made)
            assert text.startswith(f"{prefix}_")
            assert ids.parse_public_id(prefix, text) == made

    def test_later_ones_are_larger(self) -> None:
        first = ids.new_id()
        time.sleep(0.002)
        assert first < ids.new_id()

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "job",
            "job_",
            "job_0",
            "ds_01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "job_01ARZ3NDEKTSV4RRFFQ69G5FAVX",
            "job_81ARZ3NDEKTSV4RRFFQ69G5FAV",
            "job_ZZZZZZZZZZZZZZZZZZZZZZZZZZ",
            "job_01ARZ3NDEKTSV4RRFFQ69G5FA\u0660",
            "job_01ARZ3NDEKTSV4RRFFQ69G5FA\0",
            "job_" + "U" * 26,
        ],
    )
    def test_what_is_none_is_not_found(self, text: str) -> None:
        with pytest.raises(NotFound):
            ids.parse_public_id("job", text)

    def test_a_very_long_one_does_not_fill_the_answer(self) -> None:
        with pytest.raises(NotFound) as caught:
            ids.parse_public_id("job", "x" * 10_000)
        assert len(caught.value.detail) < 200


class TestSharedTable:
    """The SQL that states who may touch a shared table."""

    def test_a_tenants_rows_are_matched_by_its_column(self) -> None:
        operation = SharedTable("x", {"tenant": "SELECT, INSERT", "operator": "SELECT"})
        mine = "tenant_id = NULLIF(current_setting('almanac.tenant', true), '')::uuid"
        assert operation.statements("db") == [
            'GRANT SELECT, INSERT ON "x" TO "db_tenant_base"',
            'GRANT SELECT ON "x" TO "db_operator"',
            'ALTER TABLE "x" ENABLE ROW LEVEL SECURITY',
            f'CREATE POLICY "x_tenant" ON "x" TO "db_tenant_base" USING ({mine}) WITH CHECK ({mine})',
            'CREATE POLICY "x_operator" ON "x" TO "db_operator" USING (true) WITH CHECK (true)',
        ]

    def test_a_table_without_rows_of_tenants_has_grants_alone(self) -> None:
        statements = SharedTable("x", {"edge": "SELECT"}, tenant_column=None).statements("db")
        assert statements == ['GRANT SELECT ON "x" TO "db_edge"']

    def test_a_narrowed_role_sees_its_rows_and_changes_fewer(self) -> None:
        operation = SharedTable(
            "x", {"edge": "ALL"}, rows={"edge": "seen"}, updates={"edge": ("before", "after")}
        )
        assert operation.statements("db")[2:] == [
            'CREATE POLICY "x_edge" ON "x" FOR SELECT TO "db_edge" USING (seen)',
            'CREATE POLICY "x_edge_insert" ON "x" FOR INSERT TO "db_edge" WITH CHECK (seen)',
            'CREATE POLICY "x_edge_update" ON "x" FOR UPDATE TO "db_edge" USING (seen AND before) WITH CHECK (after)',
        ]

    def test_a_role_carries_the_databases_name(self) -> None:
        assert (role_name("a", "tenant"), role_name("b", "edge")) == ("a_tenant_base", "b_edge")

    def test_can_be_written_back_into_a_migration(self) -> None:
        operation = SharedTable("x", {"edge": "SELECT"}, rows={"edge": "seen"})
        name, arguments, keywords = operation.deconstruct()
        assert (name, arguments) == ("SharedTable", [])
        assert SharedTable(**keywords).statements("db") == operation.statements("db")


class TestScope:
    """On whose behalf."""

    def test_is_a_tenant_or_a_role_never_both_or_none(self) -> None:
        for wrong in ({}, {"role": SystemRole.EDGE, "tenant": KEY}):
            with pytest.raises(ValueError, match="a tenant or a system role"):
                Scope(**wrong)

    def test_without_one_code_that_needs_a_tenant_stops(self) -> None:
        assert scope.current() == scope.EDGE
        with pytest.raises(NoTenantScope):
            scope.current_tenant()

    def test_names_of_schemas_are_ours(self) -> None:
        assert TenantKey(id=uuid.uuid4(), schema=new_schema_name())
        for wrong in ("public", "t_", 't_aaaaaaaaaaaaaaa"', "T_AAAAAAAAAAAAAAAA", "t_aaaaaaaaaaaaaaaa\n"):
            with pytest.raises(ValueError, match="not a tenant schema"):
                TenantKey(id=uuid.uuid4(), schema=wrong)

    def test_cache_keys_name_their_tenant(self) -> None:
        assert cache.cache_key(KEY, "a", "b") == "almanac:t_aaaaaaaaaaaaaaaa:a:b"
        assert cache.cache_key(None, "a") == "almanac:shared:a"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert safe_cell(text) == f"'{text}"
    assert safe_cell(f"a{text}") == f"a{text}"
    assert safe_cell("") == ""


class TestPages:
    """Lists in pages."""

    @staticmethod
    def _page(query: str) -> Any:
        request = Request(APIRequestFactory().get(f"/v1/jobs{query}"))
        rows = Job.objects.order_by("-created_at", "-id")
        return api.page(request, rows, lambda job: {"title": job.title})

    def test_follow_each_other_without_gaps_or_repetition(self, acme: TenantKey) -> None:
        with tenant_scope(acme):
            for number in range(5):
                Job.objects.create(tenant_id=acme.id, kind="x", queue="default", title=str(number))
                time.sleep(0.002)
            seen, query = [], "?limit=2"
            for _ in range(5):
                answer = self._page(query)
                seen += [row["title"] for row in answer.data["data"]]
                if not answer.data["pagination"]["has_more"]:
                    break
                assert 'rel="next"' in answer["Link"]
                query = f"?limit=2&cursor={answer.data['pagination']['next_cursor']}"
        assert seen == ["4", "3", "2", "1", "0"]

    @pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "1.5", "\u0661", "9" * 5000])
    def test_a_wrong_size_is_refused_with_what_is_right(self, db: None, limit: str) -> None:
        with pytest.raises(api.InvalidPage, match="from 1 to 1000"):
            self._page(f"?limit={limit}")

    @pytest.mark.parametrize(
        "cursor", ["x", "a:b:c", pytest.param(signing.dumps("1", salt="other"), id="of another salt")]
    )
    def test_a_cursor_that_is_not_ours_is_refused(self, db: None, cursor: str) -> None:
        with pytest.raises(api.InvalidPage, match="cursor"):
            self._page(f"?cursor={cursor}")


def test_the_tests_speak_as_the_login_role_never_as_a_superuser(db: None) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user, rolsuper FROM pg_roles WHERE rolname = session_user")
        assert cursor.fetchone() == (f"{settings.DATABASE}_app", False)
