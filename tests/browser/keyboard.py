"""Without a mouse: going from control to control with Tab, and always seeing where one is."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.people import unguessable_csv

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


def choose_a_file(page: Page) -> None:
    """Open the file dialog and choose the shops' CSV."""
    tab_to(page, "File")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    content = unguessable_csv().encode()
    chooser.value.set_files({"name": "Keys.csv", "mimeType": "text/csv", "buffer": content})
