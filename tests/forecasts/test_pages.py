"""A person makes a forecast, looks at it, and takes it away as CSV; whoever may not is refused."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest

from apps.accounts.permissions import Role
from apps.core.tenancy import TenantKey
from apps.forecasts import queries
from apps.registry.models import ModelVersion
from apps.usage.models import UsageEvent
from tenants.context import system_scope, tenant_scope
from tenants.models import TenantLimits
from tests import trained
from tests.accounts.browser import Browser
from tests.dashboard.conftest import ACME

Member = Callable[[Role], Browser]
CREATE = f"{ACME}/forecasts/with/sales/"


@pytest.mark.usefixtures("sales")
class TestStory:
    """From the form to the file."""

    def test_a_forecast_is_made_shown_listed_and_downloaded(self, member: Member, acme: TenantKey) -> None:
        alice = member(Role.OWNER)
        page = alice.submit(CREATE, {"horizon": 4, "series": "series-1, series-0 ,series-1"})
        assert page.status_code == 200
        address = alice.trail[-1]
        text = page.content.decode()
        assert address.startswith(f"{ACME}/forecasts/fc_")
        for words in ("sales", "series-1", "owner@acme.example", "SHA-256"):
            assert words in text
        with tenant_scope(acme):
            event = UsageEvent.objects.get()
        assert (event.quantity, event.key_id) == (8, None)
        assert address.rstrip("/").rpartition("/")[2] in alice.visit(f"{ACME}/forecasts/").content.decode()
        file = alice.visit(f"{address}csv/")
        assert file["Content-Type"] == "text/csv; charset=utf-8"
        assert file["Content-Disposition"].startswith('attachment; filename="sales-fc_')
        rows = list(csv.DictReader(io.StringIO(file.content.decode())))
        assert [row["unique_id"] for row in rows] == ["series-1"] * 4 + ["series-0"] * 4
        with tenant_scope(acme):
            assert UsageEvent.objects.count() == 1, "looking costs nothing"

    @pytest.mark.parametrize(
        ("form", "words"),
        [
            ({"horizon": "7", "series": ""}, "less than or equal to 6"),
            ({"horizon": "x", "series": ""}, "whole number"),
            ({"horizon": "3", "series": "nobody"}, "nobody"),
            ({"horizon": "3", "series": "a\0b"}, "Null characters"),
        ],
    )
    def test_a_wrong_wish_is_explained_on_the_models_page(
        self, member: Member, acme: TenantKey, form: dict[str, str], words: str
    ) -> None:
        alice = member(Role.OWNER)
        page = alice.submit(CREATE, form)
        assert alice.trail[-1] == f"{ACME}/models/sales/"
        assert words in page.content.decode()
        with tenant_scope(acme):
            assert not UsageEvent.objects.exists()

    def test_with_the_quota_used_up_the_page_says_so(self, member: Member, acme: TenantKey) -> None:
        with system_scope("operator"):
            TenantLimits.objects.filter(tenant_id=acme.id).update(forecast_points_per_month=5)
        page = member(Role.OWNER).submit(CREATE, {"horizon": 6, "series": ""})
        assert "This call needs 18 forecast points" in page.content.decode()

    @pytest.mark.parametrize("role", [Role.VIEWER, Role.BILLING])
    def test_who_may_not_run_forecasts_is_refused_and_sees_no_form(
        self, member: Member, acme: TenantKey, role: Role
    ) -> None:
        bob = member(role)
        assert bob.submit(CREATE, {"horizon": 3, "series": ""}).status_code == 403
        assert CREATE.removeprefix(ACME) not in bob.visit(f"{ACME}/models/sales/").content.decode()
        with tenant_scope(acme):
            assert not UsageEvent.objects.exists()

    def test_an_analyst_may(self, member: Member) -> None:
        assert member(Role.ANALYST).submit(CREATE, {"horizon": 1, "series": ""}).status_code == 200

    def test_what_is_not_there_is_404(self, member: Member) -> None:
        alice = member(Role.OWNER)
        assert alice.submit(f"{ACME}/forecasts/with/nothing/", {"horizon": 1}).status_code == 404
        for path in ("fc_nothing/", "fc_01ARZ3NDEKTSV4RRFFQ69G5FAV/", "fc_01ARZ3NDEKTSV4RRFFQ69G5FAV/csv/"):
            assert alice.visit(f"{ACME}/forecasts/{path}").status_code == 404


def test_ids_that_a_spreadsheet_would_run_are_made_harmless(member: Member, acme: TenantKey) -> None:
    names = ("=HYPERLINK(0)", "@sum", "plain, with comma")
    alice = member(Role.OWNER)
    with tenant_scope(acme):
        trained.model("odd", trained.named(names))
    alice.submit(f"{ACME}/forecasts/with/odd/", {"horizon": 1, "series": ""})
    text = alice.visit(f"{alice.trail[-1]}csv/").content.decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["unique_id"] for row in rows] == ["'=HYPERLINK(0)", "'@sum", "plain, with comma"]


def test_a_forecast_page_holds_its_chart_as_data_not_as_script(member: Member, acme: TenantKey) -> None:
    alice = member(Role.OWNER)
    with tenant_scope(acme):
        trained.model("odd", trained.named(("</script><script>alert(1)</script>",)))
    page = alice.submit(f"{ACME}/forecasts/with/odd/", {"horizon": 1, "series": ""}).content.decode()
    assert "<script>alert" not in page
    assert "\\u003C/script\\u003E" in page


def test_a_receipt_without_its_kind_is_no_forecast(acme: TenantKey, sales: ModelVersion) -> None:
    from apps.core.errors import NotFound
    from apps.usage import services as usage

    with tenant_scope(acme):
        event = usage.charge(kind="other", quantity=1, limit=None, receipt={}, request_id="one")
        with pytest.raises(NotFound):
            queries.get_forecast(forecast_id=event)
