"""A stranger's whole way through the product, in a real browser, against the whole program.

One file, as one process has to run it: it starts one stack. The operator's test comes late, as it closes the shop for a while.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.driving import inked, json_block
from tests.browser.keyboard import choose_a_file, tab_to
from tests.browser.people import (
    PASSWORD,
    PDF,
    SHOPS,
    TEXT_IN_VALUES,
    heading,
    link_in_mail,
    log_in,
    look,
    saved,
    sign_up,
    tile,
    upload,
)
from tests.browser.shopkeeper import TRAINED_SECONDS, Shop
from tests.browser.stack import Stack
from tests.browser.walks import ask, check_csv, explain, open_tenant, run_curl, take_step

pytestmark = pytest.mark.browser


def test_the_copied_curl_answers_and_the_call_is_counted_and_can_be_downloaded(
    window: Open, shop: Shop, tmp_path: Path
) -> None:
    page, _watch = window(shop.state)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{shop.url}/usage/")
    calls, points = tile(page, "Calls this month"), tile(page, "Forecast points")
    page.goto(f"{shop.url}/models/{shop.model}/")
    page.locator("#api").get_by_role("button", name="Copy").click()
    expect(page.locator("#api").get_by_role("button", name="Copied")).to_be_visible()
    answer = run_curl(page.evaluate("navigator.clipboard.readText()"), shop.key)
    billed = len(SHOPS) * 6
    assert answer["meta"]["units"]["forecast_points"] == billed
    page.goto(f"{shop.url}/usage/")
    assert tile(page, "Calls this month") == calls + 1
    assert tile(page, "Forecast points") == points + billed
    look(page, "usage")
    page.goto(f"{shop.url}/forecasts/")
    look(page, "forecasts")
    page.get_by_role("link", name=answer["id"]).click()
    heading(page, f"Forecast of {shop.model}")
    assert inked(page, "forecast-chart") > 20
    look(page, "forecast")
    check_csv(saved(tmp_path, page, "CSV"), answer)


def test_a_lightgbm_forecast_is_explained_by_shap(window: Open, shop: Shop, stack: Stack) -> None:
    page, _watch = window(shop.state)
    page.goto(f"{shop.url}/datasets/new/")
    page.get_by_role("button", name="Load the corner shop").click()
    expect(page.locator("h1")).to_contain_text("Generated data")
    look(page, "dataset-generated")
    asked = {"dataset": "corner-shop", "horizon": 7, "candidates": ["lightgbm_global"]}
    run = ask(stack, shop.key, "training-runs", **asked).json()
    page.goto(f"{shop.url}/training/{run['id']}/")
    expect(page.get_by_text("LightGBM, one model for all series now answers")).to_be_visible(
        timeout=TRAINED_SECONDS * 1000
    )
    answer = ask(stack, shop.key, model="corner-shop", horizon=7, levels=[80, 95]).json()
    page.goto(f"{shop.url}/forecasts/{answer['id']}/")
    look(page, "forecast-lightgbm")
    assert answer["meta"]["algorithm"] == "lightgbm_global"
    explain(page, answer, series=0, step=4)
    look(page, "explanation-shap")


def test_the_demo_is_there_and_its_forecast_is_explained(window: Open, stack: Stack) -> None:
    demo, (page, _watch) = stack.demo, window()
    log_in(page, stack, demo["email"], demo["password"])
    page.wait_for_url(f"{stack.of(demo['tenant'])}/**")
    expect(page.locator("[data-source=glance-chart] canvas")).to_be_visible()
    look(page, "overview")
    page.goto(f"{stack.of(demo['tenant'])}/models/{demo['model']}/")
    assert len(json_block(page, "model-chart")["series"]) > 20
    look(page, "model-demo")
    answer = ask(stack, demo["api_key"], model=demo["model"], horizon=3, levels=[80]).json()
    page.goto(f"{stack.of(demo['tenant'])}/forecasts/{answer['id']}/")
    explain(page, answer, series=1, step=2)
    look(page, "explanation-demo")


def test_an_upgrade_changes_plan_and_quota(window: Open, shop: Shop) -> None:
    page, _watch = window(shop.state)
    page.goto(f"{shop.url}/usage/")
    before = tile(page, "Left in the plan")
    page.goto(f"{shop.url}/plan/")
    expect(page.get_by_role("heading", name="You are on Free")).to_be_visible()
    look(page, "plan")
    page.get_by_role("button", name="Upgrade to Team").click()
    expect(page.get_by_text("No card is charged")).to_be_visible()
    look(page, "checkout")
    page.click("#pay")
    expect(page.get_by_text("You are on Team.")).to_be_visible(timeout=20_000)
    page.goto(f"{shop.url}/plan/")
    expect(page.get_by_role("heading", name="You are on Team")).to_be_visible()
    look(page, "plan-team")
    page.goto(f"{shop.url}/usage/")
    assert tile(page, "Left in the plan") > before


def test_the_log_of_jobs_and_of_changes_says_what_was_done(window: Open, shop: Shop) -> None:
    page, _watch = window(shop.state)
    page.goto(f"{shop.url}/jobs/")
    look(page, "jobs")
    page.get_by_role("link", name=f"Train {shop.model}").first.click()
    look(page, "job")
    page.goto(f"{shop.url}/audit/")
    for action in ("dataset.created", "training.started", "training.succeeded", "api_key.created"):
        expect(page.locator("main .log")).to_contain_text(action)
    look(page, "audit")
    page.goto(f"{shop.url}/")
    look(page, "overview-own")
    for name in ("datasets", "models", "api-keys"):
        page.goto(f"{shop.url}/{name}/")
        look(page, name)


def test_an_invited_colleague_joins_by_mail_works_with_what_the_role_allows_and_is_removed(
    window: Open, shop: Shop, stack: Stack
) -> None:
    (owner, _), (guest, guests_watch) = window(shop.state), window()
    bob = f"bob@{shop.slug}.example"
    owner.goto(f"{shop.url}/members/")
    look(owner, "members")
    owner.get_by_label("E-mail addresses").fill(bob)
    owner.get_by_label("Role", exact=True).select_option("viewer")
    owner.get_by_role("button", name="Invite").click()
    expect(owner.get_by_text(bob).first).to_be_visible()
    look(owner, "members-invited")
    guest.goto(link_in_mail(stack, bob))
    heading(guest, f"Join {shop.slug.replace('-', ' ').capitalize()}")
    look(guest, "invitation")
    guest.get_by_label("Password").fill(PASSWORD)
    guest.get_by_role("button", name="Create the account and join").click()
    guest.wait_for_url(f"{shop.url}/**")
    heading(guest, "Overview")
    expect(guest.get_by_role("link", name="Audit log")).to_have_count(0)
    owner.goto(f"{shop.url}/members/")
    owner.get_by_label(f"Role of {bob}").select_option("admin")
    owner.get_by_role("button", name=f"Change the role of {bob}").click()
    guest.goto(f"{shop.url}/audit/")
    expect(guest.locator("main .log")).to_contain_text("member.role_changed")
    guest.goto(f"{stack.bare}/account/")
    look(guest, "account")
    owner.goto(f"{shop.url}/members/")
    row = owner.locator(".people li", has_text=bob)
    row.get_by_role("button", name="Remove").first.click()
    owner.locator("dialog[open]").get_by_role("button", name="Remove").click()
    expect(owner.locator(".people li", has_text=bob)).to_have_count(0)
    guests_watch.expect(404, "/audit/")
    guest.goto(f"{shop.url}/audit/")
    expect(guest.locator("main .log")).to_have_count(0)


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
    page.get_by_label("Value", exact=True).select_option("sold")
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
    page, watch = window(shop.state)
    watch.expect(422, "/training/of/kettles/")
    page.goto(f"{shop.url}/datasets/kettles/")
    page.locator("#train").evaluate("form => form.noValidate = true")
    page.get_by_label("Horizon").fill(horizon)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator("#id_horizon_error")).to_be_visible()
    expect(page).to_have_url(f"{shop.url}/training/of/kettles/")


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


def test_sign_up_and_upload_work_with_the_keyboard_alone(window: Open, stack: Stack) -> None:
    page, _watch = window()
    company = f"Keys {int(time.time())}"
    page.goto(f"{stack.bare}/signup/")
    for label, text in (
        ("Company", company),
        ("E-mail", f"k{time.time():.0f}@keys.example"),
        ("Password", PASSWORD),
    ):
        tab_to(page, label)
        page.keyboard.type(text)
    page.keyboard.press("Enter")
    heading(page, "Overview")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    tab_to(page, "Data sets")
    page.keyboard.press("Enter")
    heading(page, "Data sets")
    tab_to(page, "New data set")
    page.keyboard.press("Enter")
    heading(page, "New data set")
    choose_a_file(page)
    heading(page, "Check the columns")
    tab_to(page, "Accept as data set")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_visible()


def test_the_operator_finds_a_company_suspends_it_and_brings_it_back(
    window: Open, shop: Shop, stack: Stack
) -> None:
    operator, _ = window()
    keeper, watch = window(shop.state)
    log_in(operator, stack, *stack.operator, target="?next=/admin/")
    operator.wait_for_url(f"{stack.bare}/admin/")
    look(operator, "console")
    open_tenant(operator, stack, shop)
    look(operator, "console-tenant")
    for link, words in (
        ("Jobs", "Train kettles"),
        ("Usage", "forecast_points"),
        ("Audit log", "training.started"),
    ):
        operator.locator(".field-elsewhere").get_by_role("link", name=link).click()
        expect(operator.locator("#result_list")).to_contain_text(words)
        look(operator, f"console-{link.split(maxsplit=1)[0].lower()}")
        operator.go_back()
    take_step(operator, "Suspend", "unpaid bills")
    watch.expect(403, "/")
    keeper.goto(f"{shop.url}/")
    expect(keeper.get_by_role("heading", name="is suspended")).to_be_visible()
    expect(keeper.locator("main")).to_contain_text("unpaid bills")
    look(keeper, "suspended")
    assert ask(stack, shop.key, model=shop.model, horizon=1).status_code == 403
    open_tenant(operator, stack, shop)
    take_step(operator, "Bring back", "paid")
    keeper.goto(f"{shop.url}/")
    heading(keeper, "Overview")
    assert ask(stack, shop.key, model=shop.model, horizon=1).status_code == 200


def test_a_person_who_leaves_must_log_in_again(window: Open, shop: Shop, stack: Stack) -> None:
    page, watch = window()
    page.goto(f"{shop.url}/models/")
    page.wait_for_url(f"{stack.bare}/login/**")
    look(page, "login")
    watch.expect(401, "/login/")
    log_in(page, stack, shop.email, PASSWORD + "!")
    expect(page.get_by_role("alert")).to_be_visible()
    log_in(page, stack, shop.email, PASSWORD)
    heading(page, "Overview")
    page.get_by_label("Account").click()
    page.get_by_role("button", name="Log out").click()
    page.goto(f"{shop.url}/models/")
    page.wait_for_url(f"{stack.bare}/login/**")
