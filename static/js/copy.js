// <button data-copy="#id"> copies the text of that element; the button says so for two seconds.
export function install() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.querySelector(button.dataset.copy);
    if (!source) return;
    report(button, await copy(source));
  });
}

async function copy(source) {
  const text = (source.value ?? source.textContent).trim();
  try {
    await navigator.clipboard.writeText(text); // exists only on https and localhost
    return true;
  } catch {
    return copySelection(source);
  }
}

function copySelection(source) {
  const range = document.createRange();
  range.selectNodeContents(source);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
  return document.execCommand("copy");
}

function report(button, copied) {
  const label = button.querySelector("[data-copy-label]") ?? button;
  label.dataset.idle ??= label.textContent;
  label.textContent = copied ? "Copied" : "Press Ctrl+C";
  clearTimeout(button.copyTimer);
  button.copyTimer = setTimeout(() => { label.textContent = label.dataset.idle; }, 2000);
}
