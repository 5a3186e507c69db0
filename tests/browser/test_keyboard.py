"""Without a mouse: sign-up and upload by the keyboard alone, and always seeing where one is."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.people import PASSWORD, heading, unguessable_csv
from tests.browser.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

# The focused element, or the part of the page that stands for it, differs from how it looks without focus.
FOCUSED = """() => {
  const element = document.activeElement, holder = element.closest("label") || element;
  const look = each => { const style = getComputedStyle(each);
    return [style.outlineStyle, style.outlineWidth, style.boxShadow, style.borderColor, style.backgroundColor].join(); };
  const shown = [look(element), look(holder)];
  element.blur();
  const plain = [look(element), look(holder)];
  element.focus();
  const names = [element.getAttribute("aria-label"), ...[...(element.labels || [])].map(each => each.innerText), element.innerText];
  return {name: names.find(each => each && each.trim())?.trim() ?? "", visible: shown.join() !== plain.join()};
}"""


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the control called ``name`` has the focus; each stop on the way can be seen."""
    for _ in range(60):
        found = page.evaluate(FOCUSED)
        if found["name"].startswith(name):
            assert found["visible"], f"the focus on {name!r} cannot be seen"
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{name!r} cannot be reached with Tab")


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
    _choose_a_file(page)
    heading(page, "Check the columns")
    tab_to(page, "Accept as data set")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_visible()


def _choose_a_file(page: Page) -> None:
    tab_to(page, "CSV file")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    content = unguessable_csv().encode()
    chooser.value.set_files({"name": "Keys.csv", "mimeType": "text/csv", "buffer": content})
