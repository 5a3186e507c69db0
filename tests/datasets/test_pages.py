"""The pages: upload, check the columns, answer, accept; demo and sample; who may and who may not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.accounts.permissions import Role
from apps.core.tenancy import TenantKey
from apps.datasets import queries
from tenants.context import tenant_scope
from tests.accounts.browser import Browser
from tests.datasets.csv_files import HEADER, daily

pytestmark = pytest.mark.usefixtures("in_process")
ACME = "http://acme.localhost"
Member = Callable[[Role], Browser]


def send(browser: Browser, text: str | bytes, name: str = "corner_sales.csv") -> str:
    """Upload; the page that comes back, as text."""
    data = text if isinstance(text, bytes) else text.encode()
    response = browser.submit(f"{ACME}/datasets/new/", {"file": SimpleUploadedFile(name, data, "text/csv")})
    assert response.status_code in (200, 422)
    return str(response.content.decode())


def test_an_upload_is_shown_as_read_and_becomes_a_data_set_when_accepted(member: Member) -> None:
    browser = member(Role.ANALYST)
    page = send(browser, daily().replace("a,2024-01-07,7.5\n", ""))
    assert "First rows of the file" in page
    assert "Some series have gaps" in page
    assert '<script id="preview-chart" type="application/json">' in page
    assert 'value="Corner sales"' in page
    fields = {
        "name": "Corner sales",
        "time": "ds",
        "value": "y",
        "series": ["unique_id"],
        "gap_rule": "previous",
    }
    detail = browser.submit(browser.trail[-1], fields).content.decode()
    assert browser.trail[-1] == f"{ACME}/datasets/corner-sales/"
    assert "filled for training with the last value before" in detail
    assert '<script id="dataset-chart" type="application/json">' in detail
    assert "Corner sales" in browser.visit(f"{ACME}/datasets/").content.decode()


def test_another_mapping_is_tried_by_asking_the_page_again(member: Member) -> None:
    browser = member(Role.OWNER)
    rows = daily(header="unique_id,ds,y,other").replace(".5\n", ".5,7\n")
    send(browser, rows)
    page = browser.visit(
        f"{browser.trail[-1]}?time=ds&value=other&series=unique_id&covariates=y&name=X"
    ).content.decode()
    assert "Some series never change" in page
    assert 'value="X"' in page


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "The file is empty"),
        (b"unique_id,ds,y\n", "The file has a header but no rows."),
        (b"PK\x03\x04", "The workbook is cut off"),
        (b"a b c\n1 2 3\n", "Only one column was found"),
    ],
)
def test_a_file_that_is_no_table_is_refused_on_the_upload_page(
    member: Member, data: bytes, message: str
) -> None:
    assert message in send(member(Role.OWNER), data)


def test_faults_are_named_with_row_and_value_and_the_chosen_fix_becomes_the_recipe(member: Member) -> None:
    browser = member(Role.OWNER)
    page = send(browser, daily().replace("b,2024-01-05,5.5", "b,2024-01-05,closed"))
    assert "row 26 (“b”, 2024-01-05, “closed”)" in page
    assert "Not decided: no training until then" in page
    fields = {
        "name": "Sales",
        "time": "ds",
        "value": "y",
        "series": ["unique_id"],
        "fix:wrong_type": "as_missing",
    }
    detail = browser.submit(browser.trail[-1], fields).content.decode()
    assert "treat these values as missing" in detail
    assert "No model can be trained" not in detail


def test_a_date_that_is_none_refuses_the_file_and_the_button_waits(member: Member) -> None:
    page = send(member(Role.OWNER), daily().replace("b,2024-01-05", "b,2024-01-32"))
    assert "Row 26, column “ds”: “2024-01-32” is not a valid YYYY-MM-DD." in page
    assert "disabled>Accept as data set" in page


def test_a_question_is_asked_on_the_page_and_its_answer_is_kept(member: Member) -> None:
    browser = member(Role.OWNER)
    page = send(browser, f"{HEADER}\n" + "".join(f"a,0{day}/01/2024,1.5\n" for day in range(1, 9)))
    assert "Your choice is needed" in page
    assert "02/01/2024 = 2 January 2024" in page
    query = "time=ds&value=y&series=unique_id&choice:format:ds=D/M/YYYY"
    answered = browser.visit(f"{browser.trail[-1]}?{query}").content.decode()
    assert "Your choice is needed" not in answered
    assert '<input type="hidden" name="choice:format:ds" value="D/M/YYYY"' in answered


def test_a_name_that_is_taken_is_said_at_the_field(member: Member) -> None:
    browser = member(Role.OWNER)
    fields = {"name": "Sales", "time": "ds", "value": "y", "series": ["unique_id"]}
    for _ in range(2):
        send(browser, daily())
        response = browser.submit(browser.trail[-1], fields)
    assert response.status_code == 422
    assert "There is already a data set called" in response.content.decode()


def test_a_demo_is_loaded_with_one_click_and_generated_data_says_so(member: Member) -> None:
    browser = member(Role.ANALYST)
    page = browser.submit(f"{ACME}/datasets/demo/", {"name": "corner-shop"}).content.decode()
    assert browser.trail[-1] == f"{ACME}/datasets/corner-shop/"
    assert "Generated data" in page
    assert "Generated, not real" in page


def test_the_sample_can_be_uploaded_as_it_is(member: Member, acme: TenantKey) -> None:
    browser = member(Role.OWNER)
    sample = browser.visit(f"{ACME}/datasets/sample.csv")
    assert "generated" in sample["Content-Disposition"]
    send(browser, sample.content)
    fields = {"name": "Sample", "time": "ds", "value": "y", "series": ["unique_id"]}
    assert browser.submit(browser.trail[-1], fields).status_code == 200
    with tenant_scope(acme):
        version = queries.get_current_version(dataset=queries.get_dataset(slug="sample"))
    assert (version.frequency, version.series_count, version.rows, version.findings) == ("MS", 3, 180, [])


@pytest.mark.parametrize("path", ["new/", "uploads/up_01ARZ3NDEKTSV4RRFFQ69G5FAV/"])
def test_who_may_only_read_does_not_upload(member: Member, path: str) -> None:
    assert member(Role.VIEWER).visit(f"{ACME}/datasets/{path}").status_code == 403


@pytest.mark.parametrize("path", ["nothing/", "uploads/up_01ARZ3NDEKTSV4RRFFQ69G5FAV/", "uploads/x/"])
def test_what_is_absent_is_not_found(member: Member, path: str) -> None:
    assert member(Role.OWNER).visit(f"{ACME}/datasets/{path}").status_code == 404
