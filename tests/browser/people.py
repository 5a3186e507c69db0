"""What people do over and over on the pages, and the files that they upload."""

from __future__ import annotations

import io
import math
import random
import re
import time
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.driving import shoot
from tests.browser.stack import Stack

PASSWORD = "a kettle of blue herrings"
SHOPS = {"bridge": 700, "castle": 80, "harbour": 900, "market": 400, "station": 1200, "west": 150}
MONTHS = 72

PDF = "%PDF-1.7\n%\u00e2\u00e3\n1 0 obj << /Type /Catalog >> endobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"
TEXT_IN_VALUES = "shop,month,sold\n" + "".join(
    f"west,2024-{month:02d}-01,{'many' if month == 5 else month * 10}\n" for month in range(1, 13)
)

# What a person who cannot see the page would stumble over: controls without a name, headings out of order.
OBSTACLES = """() => {
  const seen = element => element.checkVisibility({visibilityProperty: true}) && !element.closest("[aria-hidden=true]");
  const text = element => (element.getAttribute("aria-label") || element.innerText || element.title
    || element.querySelector("img")?.alt || "").trim();
  const named = element => element.getAttribute("aria-labelledby") || text(element) || [...(element.labels || [])].some(text);
  const found = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")]
    .filter(element => seen(element) && !named(element) && !(element.type === "submit" && element.value))
    .map(element => "no name: " + element.outerHTML.slice(0, 120));
  const levels = [...document.querySelectorAll("h1, h2, h3, h4")].filter(seen).map(each => Number(each.tagName[1]));
  if (levels.filter(level => level === 1).length !== 1) found.push("headings of level 1: " + levels);
  levels.forEach((level, place) => { if (place && level > levels[place - 1] + 1) found.push("a heading level is left out: " + levels); });
  if (!document.documentElement.lang) found.push("no language");
  if (document.querySelectorAll("main").length !== 1) found.push("not one main part");
  const ids = [...document.querySelectorAll("[id]")].map(each => each.id);
  for (const id of new Set(ids.filter((each, place) => ids.indexOf(each) !== place))) found.push("id twice: " + id);
  if (document.documentElement.scrollWidth > innerWidth + 1) found.push("wider than the window: " + document.documentElement.scrollWidth);
  return found;
}"""


def look(page: Page, name: str) -> None:
    """Take pictures of a page, and check that it can be read and used without seeing it."""
    page.wait_for_load_state()
    found = page.evaluate(OBSTACLES)
    assert not found, f"{name}: {found}"
    shoot(page, name)


def sign_up(page: Page, stack: Stack, company: str, email: str) -> None:
    """A stranger makes an account for a company."""
    page.goto(f"{stack.bare}/signup/")
    page.get_by_label("Company").fill(company)
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create the account").click()


def log_in(page: Page, stack: Stack, email: str, password: str, target: str = "") -> None:
    """Someone with an account comes in."""
    page.goto(f"{stack.bare}/login/{target}")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.locator("main").get_by_role("button", name="Log in").click()


def link_in_mail(stack: Stack, address: str) -> str:
    """The link of the newest mail to somebody, once the clerk has sent it: without a mail server each is a file."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for path in sorted((stack.var / "mail").glob("*.log"), reverse=True):
            text = path.read_text()
            if f"To: {address}" in text and (found := re.search(r"https?://\S+", text.split("\n\n", 1)[1])):
                return found[0]
        time.sleep(0.2)
    raise AssertionError(f"no mail to {address} with a link")


def upload(page: Page, tenant: str, name: str, content: str) -> None:
    """Choose a file, which sends it at once."""
    page.goto(f"{tenant}/datasets/new/")
    page.set_input_files(
        "input[type=file]", {"name": name, "mimeType": "text/csv", "buffer": content.encode()}
    )


def unguessable_csv() -> str:
    """Six shops and six years of months; two columns for each part, and names that say nothing.

    The right ones are ``a2`` (time), ``b2`` (value) and ``c2`` (series). The shop *west* lacks one month.
    """
    noise, out = random.Random("kettles"), io.StringIO()
    out.write("a1,b1,c1,a2,b2,c2\n")
    for code, (shop, level) in enumerate(SHOPS.items(), start=1):
        for month in range(MONTHS):
            if (shop, month) == ("west", 20):
                continue
            booked, sold = _day(month, 28), _day(month, 1)
            value = (
                level * (1 + 0.01 * month + 0.3 * math.sin(month * math.pi / 6)) * noise.uniform(0.97, 1.03)
            )
            out.write(f"{booked},{noise.randint(1, 9)},S{code},{sold},{value:.1f},{shop}\n")
    return out.getvalue()


def tile(page: Page, label: str) -> int:
    """The number on one of a page's tiles."""
    return int(page.locator(".tile", has_text=label).locator(".tile-value").inner_text().replace(",", ""))


def saved(folder: Path, page: Page, link: str) -> Path:
    """Follow a link that downloads, and say where the file is."""
    with page.expect_download() as download:
        page.get_by_role("link", name=link, exact=True).first.click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def heading(page: Page, name: str) -> None:
    """Wait for the page's own heading."""
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()


def _day(month: int, day: int) -> str:
    return f"{2018 + month // 12}-{month % 12 + 1:02d}-{day:02d}"
