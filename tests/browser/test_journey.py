"""A stranger's whole way through the product, in a real browser, against the whole program."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.driving import inked, json_block
from tests.browser.people import PASSWORD, SHOPS, heading, log_in, look, saved, tile
from tests.browser.shopkeeper import TRAINED_SECONDS, Shop
from tests.browser.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
BANDS = ("lo-80", "hi-80", "lo-95", "hi-95")


def ask(stack: Stack, key: str, path: str = "forecasts", **body: Any) -> httpx.Response:
    """A program's call, with its key."""
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(f"{stack.api}/v1/{path}", json=body, headers=headers, timeout=60)


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
    answer = _run(page.evaluate("navigator.clipboard.readText()"), shop.key)
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
    _equal(saved(tmp_path, page, "CSV"), answer)


def _run(command: str, key: str) -> dict[str, Any]:
    """The command as pasted, with the key in its place."""
    assert "$ALMANAC_API_KEY" in command
    done = subprocess.run(
        ["sh", "-c", command.replace("$ALMANAC_API_KEY", key) + " -sS -w '\\n%{http_code}'"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    content, _, status = done.stdout.rpartition("\n")
    assert status == "200", content
    answer: dict[str, Any] = json.loads(content)
    return answer


def _equal(path: Path, answer: dict[str, Any]) -> None:
    """The file says what the program was told, digit for digit."""
    told = [{"unique_id": each["series_id"], **row} for each in answer["series"] for row in each["forecast"]]
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["unique_id"], row["ds"]) for row in rows] == [(row["unique_id"], row["ds"]) for row in told]
    for name in ("mean", *BANDS):
        assert [float(row[name]) for row in rows] == [row[name] for row in told]


def test_an_explanation_adds_up_to_the_forecast(window: Open, shop: Shop, stack: Stack) -> None:
    answer = ask(stack, shop.key, model=shop.model, horizon=3, levels=[80]).json()
    page, _watch = window(shop.state)
    page.goto(f"{shop.url}/forecasts/{answer['id']}/")
    _explain(page, answer["series"][1], step=2)
    look(page, "explanation")
    expect(page.locator(".facts")).to_contain_text(re.compile("components|shap.TreeExplainer"))


def test_a_lightgbm_forecast_is_explained_by_shap(window: Open, shop: Shop, stack: Stack) -> None:
    page, _watch = window(shop.state)
    page.goto(f"{shop.url}/datasets/new/")
    page.get_by_role("button", name="Load the corner shop").click()
    expect(page.locator("h1")).to_contain_text("Generated data")
    look(page, "dataset-generated")
    asked = {"dataset": "corner-shop", "horizon": 7, "candidates": ["lightgbm_global"]}
    run = ask(stack, shop.key, "training-runs", **asked).json()
    page.goto(f"{shop.url}/training/{run['id']}/")
    expect(page.get_by_text("LightGBM, one model for all series had the lowest error")).to_be_visible(
        timeout=TRAINED_SECONDS * 1000
    )
    answer = ask(stack, shop.key, model="corner-shop", horizon=7, levels=[80, 95]).json()
    page.goto(f"{shop.url}/forecasts/{answer['id']}/")
    look(page, "forecast-lightgbm")
    _explain(page, answer["series"][0], step=4)
    expect(page.locator(".facts").get_by_text("shap.TreeExplainer")).to_be_visible()
    look(page, "explanation-shap")


def test_the_demo_is_there_when_its_owner_comes_in(window: Open, stack: Stack) -> None:
    demo, (page, _watch) = stack.demo, window()
    log_in(page, stack, demo["email"], demo["password"])
    page.wait_for_url(f"{stack.of(demo['tenant'])}/**")
    expect(page.locator("[data-source=glance-chart] canvas")).to_be_visible()
    look(page, "overview")
    page.goto(f"{stack.of(demo['tenant'])}/models/{demo['model']}/")
    assert len(json_block(page, "model-chart")["series"]) > 20
    look(page, "model-demo")


def _explain(page: Page, series: dict[str, Any], step: int) -> None:
    """Ask why, wait for the waterfall, and add its parts up."""
    form = page.locator("#explain")
    form.get_by_label("Series").select_option(series["series_id"])
    form.get_by_label("Step").fill(str(step))
    form.get_by_role("button", name="Explain").click()
    heading(page, "Why this number?")
    expect(page.locator("[data-source=explanation-chart] canvas")).to_be_visible(timeout=60_000)
    found = json_block(page, "explanation-chart")
    whole = found["base"] + sum(part["value"] for part in found["parts"])
    assert whole == pytest.approx(found["prediction"], rel=1e-6)
    assert found["prediction"] == pytest.approx(series["forecast"][step - 1]["mean"], rel=1e-6)
    assert len(found["parts"]) >= 2
    assert inked(page, "explanation-chart") > 10


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
        expect(page.locator("main table")).to_contain_text(action)
    look(page, "audit")
    page.goto(f"{shop.url}/")
    look(page, "overview-own")
    for name in ("datasets", "models", "api-keys"):
        page.goto(f"{shop.url}/{name}/")
        look(page, name)


def test_the_operator_finds_a_company_suspends_it_and_brings_it_back(
    window: Open, shop: Shop, stack: Stack
) -> None:
    operator, _ = window()
    keeper, watch = window(shop.state)
    log_in(operator, stack, *stack.operator, target="?next=/admin/")
    operator.wait_for_url(f"{stack.bare}/admin/")
    look(operator, "console")
    _open_tenant(operator, stack, shop)
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
    _step(operator, "Suspend", "unpaid bills")
    watch.expect(403, "/")
    keeper.goto(f"{shop.url}/")
    expect(keeper.get_by_role("heading", name="is suspended")).to_be_visible()
    expect(keeper.locator("main")).to_contain_text("unpaid bills")
    look(keeper, "suspended")
    assert ask(stack, shop.key, model=shop.model, horizon=1).status_code == 403
    _open_tenant(operator, stack, shop)
    _step(operator, "Bring back", "paid")
    keeper.goto(f"{shop.url}/")
    heading(keeper, "Overview")
    assert ask(stack, shop.key, model=shop.model, horizon=1).status_code == 200


def _open_tenant(page: Page, stack: Stack, shop: Shop) -> None:
    page.goto(f"{stack.bare}/admin/")
    page.locator(".model-tenant th a").click()
    page.locator("#searchbar").fill(shop.slug)
    page.locator("#searchbar").press("Enter")
    look(page, "console-tenants")
    page.locator("#result_list").get_by_role("link", name=shop.slug).click()


def _step(page: Page, link: str, reason: str) -> None:
    page.get_by_role("link", name=link).click()
    page.get_by_label("Reason").fill(reason)
    look(page, f"console-{link.split(maxsplit=1)[0].lower()}")
    page.locator(".submit-row input[type=submit]").click()
    expect(page.locator(".messagelist")).to_contain_text("done")


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
