// A form with [data-upload-progress] is sent with its progress shown. Without scripts it is sent as any form.
export function install() {
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[enctype='multipart/form-data']");
    const block = form?.querySelector("[data-upload-progress]");
    if (!block || event.defaultPrevented) return;
    event.preventDefault();
    send(form, block);
  });
}

function send(form, block) {
  const request = new XMLHttpRequest();
  const bar = block.querySelector("progress");
  block.hidden = false;
  setBusy(form, true);
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) bar.value = (100 * event.loaded) / event.total;
    else bar.removeAttribute("value");
  });
  request.upload.addEventListener("load", () => bar.removeAttribute("value")); // sent; now it is read
  request.addEventListener("load", () => show(request));
  request.addEventListener("error", () => failed(form, block));
  request.open(form.method, form.action || window.location.href);
  request.send(new FormData(form));
}

// The answer is a page: that of what was made, or this one with what is wrong.
function show(request) {
  const page = new DOMParser().parseFromString(request.responseText, "text/html");
  if (request.status < 400 && request.responseURL !== window.location.href) {
    window.location.assign(request.responseURL);
    return;
  }
  const main = document.querySelector("main");
  const answered = page.querySelector("main");
  if (main && answered) main.replaceWith(document.adoptNode(answered));
  document.querySelector("[role='alert']")?.scrollIntoView({ block: "center" });
}

function failed(form, block) {
  block.hidden = true;
  setBusy(form, false);
  let note = form.querySelector("[data-upload-error]");
  if (!note) {
    note = document.createElement("p");
    note.className = "field-error";
    note.dataset.uploadError = "";
    note.setAttribute("role", "alert");
    block.after(note);
  }
  note.textContent = "The connection broke before the file was there. Nothing was kept; send it again.";
}

function setBusy(form, busy) {
  for (const button of form.querySelectorAll("button[type='submit']")) button.disabled = busy;
}
