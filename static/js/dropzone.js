// [data-dropzone] around a file input: highlights on drag, names the chosen file, refuses what is too large before it is sent.
// data-max-bytes: limit in bytes; data-autosubmit: send the form as soon as a file is chosen.
export function install() {
  for (const type of ["dragenter", "dragover"]) document.addEventListener(type, (event) => mark(event, true));
  for (const type of ["dragleave", "drop"]) document.addEventListener(type, (event) => mark(event, false));
  document.addEventListener("change", (event) => {
    const zone = event.target.closest?.("[data-dropzone]");
    if (zone && event.target.type === "file") chosen(zone, event.target);
  });
}

function mark(event, over) {
  const zone = event.target.closest?.("[data-dropzone]");
  if (zone) zone.classList.toggle("is-over", over);
}

function chosen(zone, input) {
  const file = input.files[0];
  const limit = Number(zone.dataset.maxBytes || 0);
  const tooLarge = Boolean(file && limit && file.size > limit);
  input.setCustomValidity(tooLarge ? `This file has ${size(file.size)}; at most ${size(limit)} can be uploaded.` : "");
  const name = zone.querySelector("[data-file-name]");
  if (name) name.textContent = file ? `${file.name} · ${size(file.size)}` : name.dataset.idle ?? "";
  if (tooLarge) input.reportValidity();
  else if (file && "autosubmit" in zone.dataset) input.form.requestSubmit();
}

function size(bytes) {
  const units = ["B", "kB", "MB", "GB"];
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  return `${(bytes / 1000 ** step).toFixed(step ? 1 : 0)} ${units[step]}`;
}
