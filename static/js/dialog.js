// <button data-dialog="id"> opens <dialog id="id">; [data-close] inside it, its backdrop and Escape close it.
export function install() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) return document.getElementById(opener.dataset.dialog)?.showModal();
    const closer = event.target.closest("dialog [data-close]");
    if (closer) return closer.closest("dialog").close();
    if (event.target instanceof HTMLDialogElement && outside(event)) event.target.close();
  });
}

function outside(event) {
  const box = event.target.getBoundingClientRect();
  return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
}
