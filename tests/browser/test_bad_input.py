"""What goes wrong in people's hands: a clear message each time, never a page that broke."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.people import heading, look, sign_up, upload
from tests.browser.shopkeeper import Shop
from tests.browser.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PDF = "%PDF-1.7\n%\u00e2\u00e3\n1 0 obj << /Type /Catalog >> endobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"
TEXT_IN_VALUES = "shop,month,sold\n" + "".join(
    f"west,2024-{month:02d}-01,{'many' if month == 5 else month * 10}\n" for month in range(1, 13)
)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.csv", "", "empty"),
        ("header.csv", "series,date,value\n", "no rows"),
        ("report.pdf", PDF, "PDF"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_the_reason(
    window: Open, shop: Shop, name: str, content: str, words: str
) -> None:
    page, watch = window(shop.state)
    watch.expect(422, "/datasets/new/")
    upload(page, shop.url, name, content)
    expect(page.locator(".alert-error, .field-error").first).to_contain_text(words)
    look(page, f"refused-{name.partition('.')[0]}")


def test_text_among_the_values_is_named_with_its_row_and_column(window: Open, shop: Shop) -> None:
    page, _watch = window(shop.state)
    upload(page, shop.url, "text.csv", TEXT_IN_VALUES)
    heading(page, "Check the columns")
    page.get_by_label("Value").select_option("sold")
    message = page.locator(".alert-error")
    expect(message).to_contain_text("Row 6")
    expect(message).to_contain_text("sold")
    expect(message).to_contain_text("many")
    expect(page.get_by_role("button", name="Accept as data set")).to_be_disabled()
    look(page, "refused-text")


@pytest.mark.parametrize("horizon", ["0", "1001", ""])
def test_a_horizon_that_cannot_be_is_refused_by_the_server_too(
    window: Open, shop: Shop, horizon: str
) -> None:
    page, _watch = window(shop.state)
    page.goto(f"{shop.url}/datasets/kettles/")
    page.locator("#train").evaluate("form => form.noValidate = true")
    page.get_by_label("Horizon").fill(horizon)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator(".toasts .alert-error")).to_contain_text("Horizon")
    expect(page).to_have_url(f"{shop.url}/datasets/kettles/")


def test_a_forecast_further_than_the_model_reaches_is_refused(window: Open, shop: Shop) -> None:
    page, _watch = window(shop.state)
    page.goto(f"{shop.url}/models/{shop.model}/")
    page.locator("#forecast").evaluate("form => form.noValidate = true")
    page.locator("#forecast").get_by_label("Horizon").fill("60")
    page.get_by_role("button", name="Forecast", exact=True).click()
    expect(page.locator(".toasts .alert-error")).to_contain_text("less than or equal to 6")
    look(page, "refused-forecast")


def test_a_company_whose_address_is_taken_is_asked_for_another_and_loses_nothing_it_typed(
    window: Open, shop: Shop, stack: Stack
) -> None:
    page, watch = window()
    watch.expect(409, "/signup/")
    sign_up(page, stack, shop.slug.replace("-", " ").title(), f"other{time.time():.0f}@kettle.example")
    expect(page.locator(".field-error, .alert-error").first).to_contain_text(shop.slug)
    expect(page.get_by_label("Company")).to_have_value(shop.slug.replace("-", " ").title())
    look(page, "refused-company")


def test_a_short_password_and_a_wrong_address_are_named_where_they_stand(window: Open, stack: Stack) -> None:
    page, watch = window()
    watch.expect(422, "/signup/")
    page.goto(f"{stack.bare}/signup/")
    page.get_by_label("Company").fill("Short")
    page.get_by_label("E-mail").fill("not an address")
    page.get_by_label("Password").fill("short")
    page.get_by_role("button", name="Create the account").click()
    expect(page.locator(".field-error").first).to_be_visible()
    look(page, "refused-signup")


def test_a_page_that_is_not_there_says_so(window: Open, shop: Shop) -> None:
    page, watch = window(shop.state)
    for path in ("/nothing/", "/forecasts/fc_00000000000000000000000000/", "/datasets/nothing/"):
        watch.expect(404, path)
        page.goto(f"{shop.url}{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
    look(page, "not-found")
