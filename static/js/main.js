// What every page needs. Behaviour hangs on data attributes and is delegated from the document, so swapped-in parts work too.
import * as copy from "./copy.js";
import * as dialog from "./dialog.js";
import * as dropzone from "./dropzone.js";
import * as upload from "./upload.js";
import { drawAll } from "./charts.js";

copy.install();
dialog.install();
dropzone.install();
upload.install();
installNavigation();
installMenus();
installForms();
installToasts();
localTimes(document);
drawAll(document);
document.addEventListener("htmx:load", (event) => {
  localTimes(event.target);
  drawAll(event.target);
});

// A part that could not be fetched says so in place of its skeleton; polling parts keep what they show.
document.addEventListener("htmx:responseError", (event) => {
  const waiting = event.target.querySelector?.(".skeleton");
  if (!waiting) return;
  waiting.className = "chart-failed";
  waiting.textContent = "This part could not be loaded. Reload the page to try again.";
});

function installNavigation() {
  const side = document.getElementById("side");
  const veil = document.querySelector("[data-nav-veil]");
  if (!side) return;
  const show = (open) => {
    side.classList.toggle("is-open", open);
    if (veil) veil.hidden = !open;
    document.querySelector("[data-nav-open]")?.setAttribute("aria-expanded", String(open));
    if (open) side.querySelector("a, button")?.focus();
  };
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-nav-open]")) show(true);
    else if (event.target.closest("[data-nav-close], [data-nav-veil]")) show(false);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && side.classList.contains("is-open")) show(false);
  });
}

// Menus: Escape closes and gives the focus back, the arrow keys walk the entries, to leave by Tab closes.
function installMenus() {
  const closeOthers = (keep) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(keep)) menu.open = false;
  };
  document.addEventListener("click", (event) => closeOthers(event.target));
  document.addEventListener("focusin", (event) => closeOthers(event.target));
  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest?.("details.menu");
    if (event.key === "Escape") {
      if (menu?.open) menu.querySelector("summary").focus();
      closeOthers(null);
    } else if (menu && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      walkMenu(menu, event.key === "ArrowDown" ? 1 : -1);
    }
  });
}

function walkMenu(menu, step) {
  menu.open = true;
  const entries = [...menu.querySelectorAll(".menu-item")];
  const at = entries.indexOf(document.activeElement);
  entries[at < 0 && step < 0 ? entries.length - 1 : (at + step + entries.length) % entries.length]?.focus();
}

// A form is sent once: a second press while the first is under way is ignored.
function installForms() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method === "dialog" || form.hasAttribute("data-repeatable")) return;
    if (form.classList.contains("is-sending")) event.preventDefault();
    form.classList.add("is-sending");
    setTimeout(() => form.classList.remove("is-sending"), 8000); // a download leaves the page where it is
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form.is-sending")) form.classList.remove("is-sending");
  });
  document.addEventListener("htmx:afterRequest", (event) => event.target.closest?.("form")?.classList.remove("is-sending"));
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
  });
}

function installToasts() {
  document.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest(".alert").remove());
  for (const toast of document.querySelectorAll(".toasts .alert-success, .toasts .alert-info")) {
    setTimeout(() => toast.remove(), 8000);
  }
}

// The server writes times in UTC; the reader sees their own zone, and the exact instant on hover.
function localTimes(root) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const element of root.querySelectorAll("time[data-local]")) {
    const instant = new Date(element.dateTime);
    if (Number.isNaN(instant.getTime())) continue;
    element.title = element.dateTime;
    element.textContent = format.format(instant);
  }
}
