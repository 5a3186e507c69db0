// Applies the chosen theme before the first paint: a classic script in <head>, so that no page flashes in the wrong colours.
(function () {
  "use strict";
  const root = document.documentElement;

  function stored() {
    try {
      return localStorage.getItem("almanac-theme");
    } catch {
      return null; // storage switched off: the system's preference stands
    }
  }

  function apply(theme) {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
  }

  function current() {
    return root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  }

  apply(stored());
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    const next = current() === "dark" ? "light" : "dark";
    apply(next);
    try {
      localStorage.setItem("almanac-theme", next);
    } catch {
      // storage switched off: the choice lasts for this page
    }
    document.dispatchEvent(new CustomEvent("almanac:theme", { detail: next }));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    if (!root.dataset.theme) document.dispatchEvent(new CustomEvent("almanac:theme", { detail: current() }));
  });
})();
