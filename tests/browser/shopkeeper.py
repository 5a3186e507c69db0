"""A stranger's way from the sign-up to a model and a key, step by step, each checked as it is seen."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.driving import inked, json_block
from tests.browser.people import MONTHS, SHOPS, heading, look, saved, sign_up, tile, unguessable_csv, upload
from tests.browser.stack import Stack

Cookies = Any  # Playwright's StorageState
TRAINED_SECONDS = 120
PROGRESS = """() => {
  window.seen = [];
  const note = () => {
    const bar = document.querySelector("progress");
    if (bar && bar.value !== seen.at(-1)) seen.push(bar.value);
  };
  note();
  new MutationObserver(note).observe(document.body, {childList: true, subtree: true, attributes: true});
}"""

MEMBERS = ("Seasonal naive", "AutoETS", "Dynamic optimised Theta", "LightGBM, one model")


@dataclass
class Shop:
    """The company that the tests are about."""

    slug: str
    url: str
    email: str
    model: str = "kettles"
    key: str = ""
    state: Cookies = field(default=None, repr=False)


def comes_in(page: Page, stack: Stack, company: str) -> Shop:
    """Sign up, and land on the company's own host."""
    slug = company.lower().replace(" ", "-")
    shop = Shop(slug=slug, url=stack.of(slug), email=f"keeper@{slug}.example")
    page.goto(f"{stack.bare}/")
    look(page, "welcome")
    page.goto(f"{stack.bare}/signup/")
    look(page, "signup")
    sign_up(page, stack, company, shop.email)
    page.wait_for_url(f"{shop.url}/**")
    heading(page, "Overview")
    return shop


def looks_around(page: Page, shop: Shop) -> None:
    """Every page of an empty company says what to do next; the sample CSV is one."""
    look(page, "overview-empty")
    empty = {
        "datasets": "No data set yet",
        "models": "No model yet",
        "forecasts": "No forecast yet",
        "api-keys": "No API key yet",
        "jobs": "All quiet",
    }
    for path, words in empty.items():
        page.goto(f"{shop.url}/{path}/")
        expect(page.get_by_text(words).first).to_be_visible()
        look(page, f"{path}-empty")
    page.goto(f"{shop.url}/datasets/")
    with tempfile.TemporaryDirectory() as folder:
        lines = saved(Path(folder), page, "Sample CSV").read_text().splitlines()
    assert lines[0] == "unique_id,ds,y"
    assert len(lines) > 100


def brings_data(page: Page, shop: Shop) -> None:
    """Upload, choose the columns, and accept what the preview shows."""
    page.goto(f"{shop.url}/datasets/new/")
    look(page, "dataset-new")
    upload(page, shop.url, "Kettles.csv", unguessable_csv())
    heading(page, "Check the columns")
    look(page, "upload-guessed")
    _remap(page)
    assert tile(page, "Rows") == len(SHOPS) * MONTHS - 1
    assert tile(page, "Series") == len(SHOPS)
    expect(page.locator("#preview")).to_contain_text("west")
    drawn = json_block(page, "preview-chart")
    assert {each["id"] for each in drawn["series"]} == set(SHOPS)
    expect(page.locator("[data-source=preview-chart] canvas")).to_be_visible()
    look(page, "upload-ready")
    page.get_by_label("Name", exact=True).fill("Kettles")
    page.get_by_role("button", name="Accept as data set").click()
    heading(page, "Kettles")
    look(page, "dataset")


def _remap(page: Page) -> None:
    """The guess cannot know; the preview follows each change."""
    form = page.locator("#mapping")
    for label, name in (("Time", "a2"), ("Value", "b2")):
        with page.expect_response(lambda answer: "/datasets/uploads/" in answer.url):
            form.get_by_label(label, exact=True).select_option(name)
    for name, wanted in (("c1", False), ("c2", True)):
        box = form.locator(f"input[name=series][value={name}]")
        if box.is_checked() != wanted:
            with page.expect_response(lambda answer: "/datasets/uploads/" in answer.url):
                box.set_checked(wanted)
    expect(form.get_by_role("button", name="Accept as data set")).to_be_enabled()


def trains(page: Page, shop: Shop) -> None:
    """Press Train, watch it, and look at the result."""
    page.get_by_label("Horizon").fill("6")
    page.get_by_label("Model name").fill(shop.model)
    page.get_by_role("button", name="Train", exact=True).click()
    heading(page, "Training kettles")
    page.evaluate(PROGRESS)
    look(page, "training")
    expect(page.get_by_text("Done in")).to_be_visible(timeout=TRAINED_SECONDS * 1000)
    seen = [*page.evaluate("window.seen"), 100]
    assert len(seen) >= 3, f"the progress moved only over {seen}"
    assert seen == sorted(seen), f"the progress went back: {seen}"
    _check_leaderboard(page)
    _check_chart(page, "run-chart")
    look(page, "trained")
    page.get_by_role("link", name="Open the model").click()
    heading(page, shop.model)
    _check_chart(page, "model-chart")
    look(page, "model")


def _check_leaderboard(page: Page) -> None:
    rows = page.locator("table", has=page.get_by_text("Candidates by their error")).locator("tbody tr")
    expect(rows.filter(has_text="Combination of")).to_contain_text("Chosen")
    expect(rows.filter(has_text="Chosen")).to_have_count(1)
    assert rows.count() > len(MEMBERS)
    for name in MEMBERS:
        expect(rows.filter(has_text=name)).not_to_have_count(0)
    errors = [float(text) for text in rows.locator("td:nth-child(2)").all_inner_texts()]
    assert errors == sorted(errors)
    assert all(0 < error < 100 for error in errors)


def _check_chart(page: Page, chart: str) -> None:
    """History, forecast and both bands are there, in this order of width, and drawn."""
    series = json_block(page, chart)["series"][0]
    assert len(series["history"]["y"]) >= 24
    assert len(series["forecast"]["mean"]) == 6
    bands = {band["level"]: band for band in series["forecast"]["bands"]}
    assert set(bands) == {80, 95}
    width = {level: band["hi"][0] - band["lo"][0] for level, band in bands.items()}
    assert 0 < width[80] < width[95]
    expect(page.locator(f"[data-source={chart}] canvas")).to_be_visible()
    assert inked(page, chart) > 20


def makes_a_key(page: Page, shop: Shop) -> str:
    """The key, as the page shows it once."""
    page.goto(f"{shop.url}/api-keys/")
    page.get_by_label("Name").fill("Replenishment")
    page.get_by_role("button", name="Create the key").click()
    heading(page, "Your new key")
    look(page, "key-created")
    text = page.locator("#api-key").inner_text()
    assert text.startswith("alm_live_")
    page.get_by_role("link", name="I have copied it").click()
    expect(page.locator("table")).to_contain_text("Replenishment")
    assert text not in page.content()
    return text
