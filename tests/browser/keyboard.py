"""Without a mouse: going from control to control with Tab, and always seeing where one is."""

from __future__ import annotations

import time

from playwright.sync_api import FileChooser, Page

from tests.browser.people import unguessable_csv

PRESSES, SECONDS_TO_OPEN = 4, 8
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
    """Open the file dialog and choose the shops' CSV.

    The key is pressed again where no dialog came, as a person would: a headless Chromium on a busy machine was seen to lose it.
    """
    tab_to(page, "File")
    choosers: list[FileChooser] = []

    def note(chooser: FileChooser) -> None:  # Playwright marks its handlers, which a built-in method refuses
        choosers.append(chooser)

    page.on("filechooser", note)
    for _ in range(PRESSES):
        page.keyboard.press("Space")
        give_up = time.monotonic() + SECONDS_TO_OPEN
        while not choosers and time.monotonic() < give_up:
            page.wait_for_timeout(50)
        if choosers:
            break
    assert choosers, "Space on the file field opens no dialog"
    content = unguessable_csv().encode()
    choosers[0].set_files({"name": "Keys.csv", "mimeType": "text/csv", "buffer": content})
